-- +goose NO TRANSACTION

-- Fewer index entries for each sign-up (docs/adr/0033). The append-only tables are in the order of their times, so a
-- BRIN index finds a period and costs an insert nothing. autosummarize keeps it current between vacuums.

-- +goose Up
drop index concurrently if exists ledger_events_time;
create index concurrently ledger_events_time on ledger_events using brin (at) with (autosummarize = on);
drop index concurrently if exists event_context_time;
create index concurrently event_context_time on event_context using brin (at) with (autosummarize = on);
drop index concurrently if exists email_log_time;
create index concurrently email_log_time on email_log using brin (at) with (autosummarize = on);
drop index concurrently if exists identities_email_hash;
create index concurrently identities_email_hash on identities using hash (email_hmac);
drop index concurrently if exists outbox_subscriber;
create index concurrently outbox_subscriber on outbox (subscriber_id) where subscriber_id is not null;
drop index concurrently if exists outbox_state;
create index concurrently outbox_state on outbox (state, due_at) where state in ('ready', 'held', 'dead');
drop index concurrently if exists ledger_events_at;
drop index concurrently if exists ledger_events_provider;
drop index concurrently if exists event_context_at;
drop index concurrently if exists email_log_at;
drop index concurrently if exists identities_email;
drop index concurrently if exists outbox_ready;
drop index concurrently if exists outbox_unfinished;

-- +goose Down
drop index concurrently if exists ledger_events_at;
create index concurrently ledger_events_at on ledger_events (at, kind);
drop index concurrently if exists ledger_events_provider;
create index concurrently ledger_events_provider on ledger_events ((data ->> 'provider'), at) where data ? 'provider';
drop index concurrently if exists event_context_at;
create index concurrently event_context_at on event_context (at);
drop index concurrently if exists email_log_at;
create index concurrently email_log_at on email_log (at);
drop index concurrently if exists identities_email;
create index concurrently identities_email on identities (email_hmac);
drop index concurrently if exists outbox_ready;
create index concurrently outbox_ready on outbox (due_at) where state = 'ready';
drop index concurrently if exists outbox_unfinished;
create index concurrently outbox_unfinished on outbox (state, created_at) where state in ('ready', 'held', 'dead');
drop index concurrently if exists ledger_events_time;
drop index concurrently if exists event_context_time;
drop index concurrently if exists email_log_time;
drop index concurrently if exists identities_email_hash;
drop index concurrently if exists outbox_state;
drop index concurrently if exists outbox_subscriber;
