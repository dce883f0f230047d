-- What one domain was sent lately, and what is held against a mailbox, are found by these indexes. They are built while the
-- functions go on writing. A build that was cut off leaves an invalid index behind, which goes first.

-- +goose NO TRANSACTION
-- +goose Up
drop index concurrently if exists mail_log_sent;
create index concurrently mail_log_sent on mail_log (domain_hmac, sent_at) where domain_hmac is not null and sent_at is not null;
drop index concurrently if exists suppressions_fold;
create index concurrently suppressions_fold on suppressions (fold_hmac) where fold_hmac is not null;

-- +goose Down
drop index concurrently if exists suppressions_fold;
drop index concurrently if exists mail_log_sent;
