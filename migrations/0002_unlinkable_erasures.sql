-- After an erasure, nothing leads from a keyed hash to the ledger: the record of an erasure has a random id, no
-- subscriber and the day instead of the time.

-- +goose Up
alter table erasures rename column event_id to id;
alter table erasures drop column subscriber_id;
comment on column erasures.id is 'Random.';
comment on column erasures.at is 'The day, in UTC.';
comment on column privacy_requests.subscriber_id is 'Null after an erasure, which also cuts the times to the day.';

-- +goose Down
comment on column privacy_requests.subscriber_id is null;
comment on column erasures.at is null;
comment on column erasures.id is null;
alter table erasures add column subscriber_id uuid;
alter table erasures rename column id to event_id;
