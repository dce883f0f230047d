-- Events of the email service that nobody could read, or that are about nobody known, so that the owner can be alerted.
-- Without a transaction, so that nothing is deleted or read under the lock of the constraint; each statement may be run again.

-- +goose NO TRANSACTION
-- +goose Up
-- Not valid: the constraint before allowed less, so that no row needs the scan that would hold up everybody.
alter table engagement_events
    drop constraint if exists engagement_events_kind_check,
    add constraint engagement_events_kind_check
        check (kind in ('delivery', 'bounce', 'complaint', 'open', 'click', 'reject', 'delay', 'unreadable')) not valid;
comment on column engagement_events.delivery_id is 'The row of the outbox; where it is not known, a hash of the id that the service gave the email.';

-- +goose Down
-- First the constraint, which keeps new rows away; then those that are there.
alter table engagement_events
    drop constraint if exists engagement_events_kind_check,
    add constraint engagement_events_kind_check
        check (kind in ('delivery', 'bounce', 'complaint', 'open', 'click', 'reject', 'delay')) not valid;
delete from engagement_events where kind = 'unreadable';
alter table engagement_events validate constraint engagement_events_kind_check;
comment on column engagement_events.delivery_id is null;
