-- Evidence: which seals are anchored outside the database, and what maintain has done.

-- +goose Up

alter table ledger_seals add column anchored_at timestamptz;
comment on column ledger_seals.anchored_at is
    'When the seal was anchored outside the database; null before. Verification does not rely on it.';

-- The last run of each task of maintain. The functions that visitors call may not write it.
create table maintenance (
    task     text primary key check (task in ('daily', 'verification')),
    at       timestamptz not null,
    problems integer not null check (problems >= 0)
);
comment on column maintenance.at is 'When the task last ended.';
comment on column maintenance.problems is 'Differences that the verification found; 0 for other tasks.';

-- +goose Down
drop table maintenance;
alter table ledger_seals drop column anchored_at;
