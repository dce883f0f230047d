-- The cap on mail to one domain counts by this index. It is built while the functions go on writing. A build that was cut
-- off leaves an invalid index behind, which goes first.

-- +goose NO TRANSACTION
-- +goose Up
drop index concurrently if exists mail_log_domain;
create index concurrently mail_log_domain on mail_log (domain_hmac, purpose, at) where domain_hmac is not null;

-- +goose Down
drop index concurrently if exists mail_log_domain;
