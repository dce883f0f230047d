-- +goose NO TRANSACTION

-- The sending circuit breaker stops email to unproven mailboxes only and closes by itself, and a backlog is queued once
-- instead of being claimed again and again (docs/adr/0032).

-- +goose Up
create table if not exists sending_breakers (
    id           uuid primary key,
    domain_hmac  bytea,
    network      cidr,
    reason       text not null check (reason in ('bounces', 'complaints')),
    opened_at    timestamptz not null,
    half_open_at timestamptz not null,
    openings     integer not null check (openings > 0),
    next_at      timestamptz not null,
    closed_at    timestamptz,
    check (num_nonnulls(domain_hmac, network) < 2),
    unique nulls not distinct (domain_hmac, network)
);
comment on table sending_breakers is
    'Stops email to unproven mailboxes: of one domain, requested from one network, or all (neither). Open until half_open_at.';
comment on column sending_breakers.openings is 'How often it opened without closing for a day. Each time, it stays open longer.';
comment on column sending_breakers.next_at is 'When the next email that waits for it may leave.';

alter table outbox add column if not exists waits_for text;
comment on column outbox.waits_for is
    'What decides when the email leaves, at due_at: slot, rate, domain or breaker, or pause; pass if it waits for none of the rate and the breakers. Null: not decided yet.';

drop index concurrently if exists outbox_waiting;
create index concurrently outbox_waiting on outbox (waits_for, due_at) where state = 'ready' and waits_for is not null;
drop index concurrently if exists identities_mailbox;
create index concurrently identities_mailbox on identities using hash (mailbox_hmac);

create or replace function mailbox_proven_v1(p_subscriber_id uuid, p_before timestamptz, p_message_id uuid) returns boolean
language sql stable as $$
select exists (
    select from identities i
    join identities m on m.mailbox_hmac = i.mailbox_hmac
    left join subscribers s on s.id = m.subscriber_id
    where i.subscriber_id = p_subscriber_id
      and (s.confirmed_at < p_before or exists (
           select from engagement_events e
           where e.subscriber_id = m.subscriber_id and e.kind = 'delivery' and e.at < p_before and e.delivery_id <> p_message_id)))
$$;
comment on function mailbox_proven_v1 is
    'Whether a subscriber''s mailbox, in any spelling, had confirmed before a time, or a delivery of another message to it was reported.';

-- +goose Down
drop function if exists mailbox_proven_v1;
drop index concurrently if exists identities_mailbox;
drop index concurrently if exists outbox_waiting;
alter table outbox drop column if exists waits_for;
drop table if exists sending_breakers;
