-- The caps hold for what is sent, and "this was not me" for every spelling of a mailbox.

-- +goose Up
alter table mail_log add column sent_at timestamptz;
comment on column mail_log.id is 'That of the mail''s row in the outbox.';
comment on column mail_log.sent_at is 'When the sending began, the last time if there were several; null if it has not.';

alter table suppressions add column fold_hmac bytea;
comment on column suppressions.fold_hmac is 'The mailbox, where the reason is about it and not about one spelling of its address; else null.';
update suppressions set fold_hmac = i.fold_hmac
from identities i
where i.email_hmac = suppressions.email_hmac and suppressions.reason in ('complaint', 'objection', 'not_me', 'operator');

-- +goose Down
alter table suppressions drop column fold_hmac;
alter table mail_log drop column sent_at;
