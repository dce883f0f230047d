-- Growth and confirmation by mailbox provider, over any time: analytics read the ledger by this index alone.
-- It is built while the functions go on writing. A build that was cut off leaves an invalid index behind, which goes first.

-- +goose NO TRANSACTION
-- +goose Up
drop index concurrently if exists audit_events_provider;
create index concurrently audit_events_provider on audit_events ((data ->> 'provider'), at) where data ? 'provider';

-- +goose Down
drop index concurrently if exists audit_events_provider;
