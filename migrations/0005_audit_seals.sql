-- Seals over the ledger, each an hour's events and chained to the one before: a row that is changed, removed or added
-- afterwards is found.

-- +goose Up
create table audit_seals (
    id         uuid primary key,
    from_at    timestamptz not null,
    to_at      timestamptz not null,
    events     integer not null,
    digest     bytea not null check (octet_length(digest) = 32),
    previous   bytea not null unique,
    hash       bytea not null check (octet_length(hash) = 32),
    created_at timestamptz not null,
    check (from_at < to_at)
);
comment on table audit_seals is 'A seal covers the events from from_at up to, and without, to_at, where the next one begins.';
comment on column audit_seals.previous is 'The hash of the seal before; empty for the first. Unique, so that the chain has no branches.';

-- +goose Down
drop table audit_seals;
