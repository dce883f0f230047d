-- The ledger keeps only declared values of a source. The source as sent is stored with the deletable context, and what a
-- list states about a consent with the subscriber.

-- +goose Up
alter table event_context add column source jsonb;
alter table subscribers add column evidence text;
comment on column event_context.source is 'The source as sent; null if there was none.';
comment on column subscribers.evidence is 'What an imported list states about the consent.';

-- +goose Down
alter table subscribers drop column evidence;
alter table event_context drop column source;
