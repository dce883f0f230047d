-- The whole schema: subscribers and their consent, email and deliveries, privacy, then what the system knows about
-- itself. The grants of the functions' role are in grants.sql, because the owner chooses the role's name.

-- +goose Up

-- Subscribers and consent.

-- One row for each known address. An erased subscriber has none.
create table subscribers (
    id               uuid primary key,
    email            text not null,
    email_norm       text not null unique,
    status           text not null check (status in ('pending', 'active', 'unsubscribed', 'suppressed')),
    returning_from   text check (returning_from in ('unsubscribed')),
    epoch            integer not null default 1 check (epoch > 0),
    locale           text,
    source           jsonb not null default '{}',
    request_event_id uuid not null,
    requested_at     timestamptz not null,
    reminded_at      timestamptz,
    confirmed_at     timestamptz,
    ended_at         timestamptz,
    check (status <> 'active' or confirmed_at is not null),
    check (returning_from is null or status = 'pending')
);
comment on column subscribers.email is 'Local part as typed, A-label domain. Email is sent to this address.';
comment on column subscribers.email_norm is 'Lower-case local part and A-label domain. It identifies the subscriber.';
comment on column subscribers.returning_from is 'The status that a pending row returns to if the sign-up is not confirmed.';
comment on column subscribers.epoch is
    'Version of the subscriber''s links. Unsubscribe, decline, erase and suppress raise it and invalidate all older links; a resend does not.';
comment on column subscribers.source is 'First-touch source: page, referrer, ref, utm_*.';
comment on column subscribers.request_event_id is 'Ledger event of the newest sign-up: the consent that a confirmation grants.';
comment on column subscribers.reminded_at is 'When the last reminder was queued. Each sign-up is reminded at most once.';
create index subscribers_pending on subscribers (requested_at) where status = 'pending';
create index subscribers_never_confirmed on subscribers (requested_at) where status = 'suppressed' and confirmed_at is null;

-- Consent texts are never changed and never deleted.
create table consent_texts (
    id         uuid primary key,
    version    text not null,
    locale     text not null,
    body       text not null,
    sha256     bytea not null check (octet_length(sha256) = 32),
    created_at timestamptz not null default now(),
    unique (version, locale)
);
comment on table consent_texts is 'The current version is the one created last.';
-- The confirmation page shows this text until the owner adds one.
insert into consent_texts (id, version, locale, body, sha256, created_at)
select id::uuid, 'default-1', locale, body, sha256(convert_to(body, 'UTF8')), '2026-01-01T00:00:00Z'
from (values
    ('01900000-0000-7000-8000-000000000001', 'en',
     'I would like to receive the newsletter by email. I can unsubscribe at any time using the link in every email.'),
    ('01900000-0000-7000-8000-000000000002', 'de',
     'Ich möchte den Newsletter per E-Mail erhalten. Ich kann ihn jederzeit über den Link in jeder E-Mail abbestellen.'),
    ('01900000-0000-7000-8000-000000000003', 'fr',
     'Je souhaite recevoir la newsletter par courrier électronique. Je peux me désabonner à tout moment grâce au lien présent dans chaque message.')
) as text (id, locale, body);

-- The ledger: audit trail, proof of consent and source of analytics. It outlives an erasure, so it holds no address, no
-- hash of one, no network address, and no foreign key to a subscriber.
create table ledger_events (
    id              uuid primary key,
    at              timestamptz not null,
    kind            text not null,
    subscriber_id   uuid,
    actor           text not null check (actor in ('visitor', 'subscriber', 'provider', 'operator', 'system')),
    channel         text not null,
    source          jsonb not null default '{}',
    consent_text_id uuid references consent_texts (id),
    request_id      text not null,
    data            jsonb not null default '{}',
    salt            uuid default gen_random_uuid(),
    content_hash    bytea check (octet_length(content_hash) = 32),
    check ((salt is null) = (content_hash is not null))
);
comment on column ledger_events.salt is 'Hashed with the content, so that the hash of a tombstone says nothing about it; null in a tombstone.';
comment on column ledger_events.content_hash is
    'Hash of the deleted content (source, consent text, request id, data except outcome, from and to) of a tombstone; null in all other events.';
create index ledger_events_subscriber on ledger_events (subscriber_id, at);
create index ledger_events_at on ledger_events (at, kind);
-- Analytics of growth and confirmation by mailbox provider use only this index.
create index ledger_events_provider on ledger_events ((data ->> 'provider'), at) where data ? 'provider';

-- A seal covers one hour of the ledger and is chained to the previous seal. It reveals changed, removed and added
-- events.
create table ledger_seals (
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
comment on table ledger_seals is 'A seal covers the events from from_at, inclusive, to to_at, exclusive. The next one begins at to_at.';
comment on column ledger_seals.previous is 'Hash of the previous seal; empty for the first. Unique, so that the chain has no branches.';

-- The owner of each subscriber id in the ledger. Rows are deleted on erasure; the ledger stays.
create table identities (
    subscriber_id uuid primary key,
    email_hmac    bytea not null,
    mailbox_hmac  bytea not null,
    key_id        text not null,
    until         timestamptz
);
create index identities_email on identities (email_hmac);

-- The only change of the ledger. Runs with the rights of the ledger's owner, so that no role that a function signs in as may update events.
-- +goose StatementBegin
create function ledger_write_tombstones_v1(p_from timestamptz, p_before timestamptz, p_to timestamptz, p_limit integer)
returns integer language sql security definer set search_path = pg_catalog, public, pg_temp as $$
    with due as (
        select e.id, e.subscriber_id
        from ledger_events e
        where e.at >= p_from and e.at < p_to and e.at < p_before and e.content_hash is null
          and case when e.subscriber_id is null then e.kind in ('subscription.requested', 'link.requested')
              else not exists (select from identities i where i.subscriber_id = e.subscriber_id)
                  and not exists (select from ledger_events o where o.subscriber_id = e.subscriber_id
                                  and (o.data ->> 'to' in ('active', 'unsubscribed') or o.data ->> 'from' in ('active', 'unsubscribed')))
              end
        limit p_limit
    ), written as (
        update ledger_events t set
            content_hash = sha256(uuid_send(t.salt) || convert_to(jsonb_build_array(t.source, t.consent_text_id, t.request_id,
                                                                  t.data - '{outcome,from,to}'::text[])::text, 'UTF8')),
            salt = null, source = '{}', consent_text_id = null, request_id = '',
            data = (select coalesce(jsonb_object_agg(d.key, d.value), '{}') from jsonb_each(t.data) d where d.key in ('outcome', 'from', 'to'))
        where t.content_hash is null and t.id in (
            select id from due where subscriber_id is null
            union all
            select o.id from (select distinct subscriber_id from due) s join ledger_events o on o.subscriber_id = s.subscriber_id
            where o.at < p_before)
        returning 1
    )
    select count(*)::integer from written
$$;
-- +goose StatementEnd
comment on function ledger_write_tombstones_v1 is
    'Deletes the content of events from before p_before: of requests that name no subscriber, and all of each subscriber who was never active and has no identity. Looks at up to p_limit events between p_from and p_to and returns the number of tombstones.';

-- Network address and user agent of an event: evidence with its own, short retention.
create table event_context (
    event_id   uuid primary key,
    at         timestamptz not null,
    ip         inet,
    user_agent text
);
create index event_context_at on event_context (at);

-- Email and deliveries.

-- What the mailbox budgets count: one row for each email that was sent to a mailbox.
create table email_log (
    id           uuid primary key,
    mailbox_hmac bytea not null,
    purpose      text not null,
    at           timestamptz not null
);
comment on column email_log.id is 'Random.';
comment on column email_log.purpose is 'The email; invited: the mailbox''s reader ended a mute period; outside: sent because of that.';
comment on column email_log.at is 'The minute; after an erasure the day, in UTC.';
create index email_log_mailbox on email_log (mailbox_hmac, purpose, at);
create index email_log_at on email_log (at);

-- The times at which the emails of sign-ups may leave, at domains that are no known provider: one row for each sign-up,
-- whether it causes an email or not.
create table signup_slots (
    domain_hmac  bytea not null,
    network_hmac bytea not null,
    first        boolean not null,
    at           timestamptz not null
);
comment on column signup_slots.network_hmac is 'Pseudonym of the client''s network, /24 or /48.';
comment on column signup_slots.first is 'Whether it was the first sign-up of its network at the domain within 24 h.';
comment on column signup_slots.at is 'The minute; after an erasure at the domain the hour.';
create index signup_slots_domain on signup_slots (domain_hmac, at);

-- Addresses that get no email, as pseudonyms.
create table suppressions (
    email_hmac   bytea primary key,
    mailbox_hmac bytea,
    key_id       text not null,
    reason       text not null check (reason in ('complaint', 'bounce', 'objection', 'restriction', 'declined', 'operator')),
    created_at   timestamptz not null,
    until        timestamptz
);
comment on column suppressions.mailbox_hmac is 'The canonical mailbox if the reason concerns all of its spellings; null if it concerns one address.';
create index suppressions_mailbox on suppressions (mailbox_hmac) where mailbox_hmac is not null;

-- Work outside the database, queued in the transaction that decided it.
create table outbox (
    id             uuid primary key,
    kind           text not null,
    subscriber_id  uuid,
    event_id       uuid,
    epoch          integer not null default 0,
    domain_hmac    bytea,
    counted        boolean not null default false,
    state          text not null default 'ready' check (state in ('ready', 'held', 'done', 'dead')),
    hold_reason    text,
    sealed         bytea,
    attempts       integer not null default 0,
    due_at         timestamptz not null,
    deferred_until timestamptz,
    created_at     timestamptz not null,
    finished_at    timestamptz,
    outcome        text,
    check ((state = 'held') = (hold_reason is not null)),
    check ((state in ('done', 'dead')) = (finished_at is not null))
);
comment on column outbox.epoch is 'The subscriber''s epoch at the decision. An email of an older epoch is not sent.';
comment on column outbox.domain_hmac is
    'Pseudonym of the recipient''s registrable domain, and of a decoy''s; null at the large providers, which have no limit. Only a sent email keeps it.';
comment on column outbox.counted is 'Whether the email is in email_log. A retry is not counted again.';
comment on column outbox.sealed is 'Payload sealed with AES-GCM, only where the message would otherwise lose an address; dropped when done.';
comment on column outbox.due_at is 'When the message may be claimed. A claim moves it forward by the lease, so the message of a lost worker is claimed again.';
comment on column outbox.deferred_until is
    'End of the last intended delay: a pause, the rate of email or a hold. Waiting until then is no delivery failure.';
create index outbox_ready on outbox (due_at) where state = 'ready';
create index outbox_unfinished on outbox (state, created_at) where state in ('ready', 'held', 'dead');
create index outbox_finished on outbox (finished_at) where finished_at is not null;

-- A destination with a row that has no resumed_at is paused: "email", or another destination such as
-- "webhook-0c0ffee0".
create table pauses (
    id          uuid primary key,
    destination text not null,
    reason      text not null,
    at          timestamptz not null,
    resumed_at  timestamptz
);
create unique index pauses_running on pauses (destination) where resumed_at is null;

-- What the email service reported after it accepted an email. Rows may be deleted.
create table engagement_events (
    id            uuid primary key,
    at            timestamptz not null,
    kind          text not null
                  check (kind in ('delivery', 'bounce', 'complaint', 'open', 'click', 'reject', 'delay', 'unreadable')),
    detail        text not null default '',
    permanent     boolean not null default false,
    subscriber_id uuid,
    delivery_id   uuid not null,
    unique (delivery_id, kind, at)
);
comment on column engagement_events.kind is 'unreadable: an event that could not be parsed, or that names no known delivery. The owner is alerted.';
comment on column engagement_events.detail is 'One word of the provider, such as the type of a bounce. Never an address.';
comment on column engagement_events.delivery_id is 'Outbox row of the email; if unknown, a hash of the id that the service assigned to the email.';
create index engagement_events_at on engagement_events (at, kind);
create index engagement_events_subscriber on engagement_events (subscriber_id) where subscriber_id is not null;

-- Privacy.

-- Erased subscribers, as pseudonyms, so that an import or a restored backup does not bring them back. Rows may be
-- deleted.
create table erasures (
    event_id      uuid primary key,
    subscriber_id uuid not null,
    email_hmac    bytea not null,
    key_id        text not null,
    at            timestamptz not null
);
create index erasures_email on erasures (email_hmac);
create index erasures_at on erasures (at);

-- Requests for access, erasure, another address or a restriction, with the date by which they must be answered (Art. 12(3) GDPR: one
-- month).
create table privacy_requests (
    id               uuid primary key,
    kind             text not null check (kind in ('export', 'erase', 'rectify', 'restrict')),
    channel          text not null,
    subscriber_id    uuid,
    received_at      timestamptz not null,
    due_at           timestamptz not null,
    done_at          timestamptz,
    outcome          text,
    sign_up_event_id uuid unique,
    event_id         uuid,
    sealed           bytea,
    check ((done_at is null) = (outcome is null))
);
comment on column privacy_requests.sign_up_event_id is 'Of another address: the sign-up of that address, whose confirmation moves the subscription.';
comment on column privacy_requests.event_id is 'Of another address: the event that will record the move; null once it did.';
comment on column privacy_requests.sealed is 'Of another address: the old one, encrypted for the destinations; null once the subscription moved.';
comment on column privacy_requests.channel is 'link: requested and answered by a link in an email; letter: entered by the operator.';
create index privacy_requests_open on privacy_requests (due_at) where done_at is null;
create index privacy_requests_done on privacy_requests (done_at) where done_at is not null;

-- Recipients of personal data. Deliver knows the configuration and records a recipient before it passes on any data, so
-- that a data export can name it.
create table recipients (
    name  text primary key,
    since timestamptz not null,
    until timestamptz check (until >= since)
);
comment on table recipients is 'Recipients of personal data by configuration.';
comment on column recipients.until is 'When it was removed from the configuration; null while it is configured.';

-- The system itself: request statistics, health samples, alerts. Rows may be deleted; they hold no personal data.

create table request_stats (
    span     integer not null check (span in (60, 300, 3600)),
    slot     timestamptz not null,
    endpoint text not null,
    class    smallint not null check (class between 1 and 5),
    cold     boolean not null,
    bucket   smallint not null check (bucket >= 0),
    requests bigint not null check (requests > 0),
    primary key (span, slot, endpoint, class, cold, bucket)
);
comment on column request_stats.span is 'Length of the slot in seconds: a minute, or the five minutes and the hour that aggregate minutes.';
comment on column request_stats.bucket is 'Bucket of the duration, as in shared/requeststats.';

create table health_samples (
    at           timestamptz primary key,
    status       text not null check (status in ('pass', 'warn', 'fail')),
    measurements jsonb not null
);

create table alerts (
    id            uuid primary key,
    rule          text not null,
    subject       text not null,
    severity      text not null check (severity in ('warning', 'critical')),
    summary       text not null,
    firing_since  timestamptz not null,
    last_found_at timestamptz not null,
    repeated_at   timestamptz,
    resolved_at   timestamptz check (resolved_at >= firing_since)
);
comment on column alerts.subject is 'What the rule is about, such as an endpoint; empty if there is only one.';
comment on column alerts.last_found_at is 'When the rule last matched.';
comment on column alerts.repeated_at is 'When the last repeated notification was queued; null before the first.';
create unique index alerts_firing on alerts (rule, subject) where resolved_at is null;
create index alerts_firing_since on alerts (firing_since);

-- +goose Down
-- +goose StatementBegin
do $$
begin
    if exists (select from ledger_events) then
        raise exception 'the ledger is not empty: it proves consent, and a down migration does not drop it';
    end if;
    if exists (select from erasures) or exists (select from privacy_requests) then
        raise exception 'privacy requests were answered: a down migration does not drop the proof';
    end if;
end
$$;
-- +goose StatementEnd
drop table alerts;
drop table health_samples;
drop table request_stats;
drop table recipients;
drop table privacy_requests;
drop table erasures;
drop table engagement_events;
drop table pauses;
drop table outbox;
drop table suppressions;
drop table signup_slots;
drop table email_log;
drop table event_context;
drop function ledger_write_tombstones_v1;
drop table identities;
drop table ledger_seals;
drop table ledger_events;
drop table consent_texts;
drop table subscribers;
