-- Who gets personal data: deliver, which knows what is configured, writes it down before it passes anything on, and people
-- who ask for their data are told.

-- +goose Up
create table recipients (
    name  text primary key,
    since timestamptz not null,
    until timestamptz check (until >= since)
);
comment on table recipients is 'Whom the configuration makes a recipient of personal data.';
comment on column recipients.until is 'When it was taken out of the configuration; null while it is in it.';

-- +goose Down
drop table recipients;
