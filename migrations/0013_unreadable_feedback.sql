-- Events of the email service that nobody could read, or that are about nobody known, so that the owner can be alerted.

-- +goose Up
alter table engagement_events drop constraint engagement_events_kind_check;
-- Not valid: the constraint before allowed less, so that no row needs the scan that would hold up everybody.
alter table engagement_events add constraint engagement_events_kind_check
    check (kind in ('delivery', 'bounce', 'complaint', 'open', 'click', 'reject', 'delay', 'unreadable')) not valid;
comment on column engagement_events.delivery_id is 'The row of the outbox; where it is not known, a hash of the id that the service gave the email.';

-- +goose Down
delete from engagement_events where kind = 'unreadable';
alter table engagement_events drop constraint engagement_events_kind_check;
alter table engagement_events add constraint engagement_events_kind_check
    check (kind in ('delivery', 'bounce', 'complaint', 'open', 'click', 'reject', 'delay'));
comment on column engagement_events.delivery_id is null;
