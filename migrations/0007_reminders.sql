-- A request that waits for its confirmation may be reminded of once.

-- +goose Up
alter table subscribers add column reminded_at timestamptz;
comment on column subscribers.reminded_at is 'When the last reminder of an unconfirmed request was queued; one is sent for each request at most.';

-- +goose Down
alter table subscribers drop column reminded_at;
