-- How long a delivery has been waiting: since it was decided, or since it was last put off on purpose.

-- +goose Up
alter table outbox add column put_off_until timestamptz;
comment on column outbox.put_off_until is 'Until when it was last put off on purpose, by a pause, the pace of mails or the owner: no delay before that is a failure.';

-- +goose Down
alter table outbox drop column put_off_until;
