-- The subscription core: who asked for what, what was said about it, and what still has to be sent.
-- Grants for the application role stand in grants.sql, because the role's name is the owner's choice.

-- +goose Up

-- One row for each address that is known today. An erased person has none.
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
    confirmed_at     timestamptz,
    ended_at         timestamptz,
    check (status <> 'active' or confirmed_at is not null),
    check (returning_from is null or status = 'pending')
);
comment on column subscribers.email is 'Local part as it was typed, A-label domain: mail goes here.';
comment on column subscribers.email_norm is 'Lower-cased local part and A-label domain: the identity.';
comment on column subscribers.returning_from is 'Where a pending row goes back to when the request is not confirmed.';
comment on column subscribers.epoch is 'Rises on unsubscribe, cancel, erase and suppress, and so ends all older links; never on a resend.';
comment on column subscribers.source is 'First-touch source: page, referrer, ref, utm_*.';
comment on column subscribers.request_event_id is 'The ledger event of the newest request: the consent that a confirmation grants.';
create index subscribers_pending on subscribers (requested_at) where status = 'pending';

-- The texts that people agreed to; never changed, never deleted.
create table consent_texts (
    id         uuid primary key,
    version    text not null,
    locale     text not null,
    body       text not null,
    sha256     bytea not null check (octet_length(sha256) = 32),
    created_at timestamptz not null default now(),
    unique (version, locale)
);
comment on table consent_texts is 'The current version is the one that was created last.';
-- The text that stands on the confirmation page until the owner adds a text of their own.
insert into consent_texts (id, version, locale, body, sha256, created_at)
select id::uuid, 'default-1', locale, body, sha256(convert_to(body, 'UTF8')), '2026-01-01T00:00:00Z'
from (values
    ('01900000-0000-7000-8000-000000000001', 'en', 'I want to receive the newsletter by e-mail. I can end it at any time with the link in every mail.'),
    ('01900000-0000-7000-8000-000000000002', 'de', 'Ich möchte den Newsletter per E-Mail erhalten. Ich kann ihn jederzeit mit dem Link in jeder Mail abbestellen.'),
    ('01900000-0000-7000-8000-000000000003', 'fr', 'Je souhaite recevoir la lettre d’information par e-mail. Je peux me désabonner à tout moment grâce au lien présent dans chaque message.')
) as text (id, locale, body);

-- The ledger: audit trail, consent proof and analytics source at once.
-- No address, no hash of one, no network address, and no foreign key to a person: it is kept when a person is erased.
create table audit_events (
    id              uuid primary key,
    at              timestamptz not null,
    kind            text not null,
    subscriber_id   uuid,
    actor           text not null check (actor in ('visitor', 'subscriber', 'provider', 'operator', 'system')),
    channel         text not null,
    source          jsonb not null default '{}',
    consent_text_id uuid references consent_texts (id),
    request_id      text not null,
    data            jsonb not null default '{}'
);
create index audit_events_subscriber on audit_events (subscriber_id, at);
create index audit_events_at on audit_events (at, kind);

-- Who an event's subscriber id belonged to: deletable, so that the ledger can be kept.
create table identities (
    subscriber_id uuid primary key,
    email_hmac    bytea not null,
    fold_hmac     bytea not null,
    key_id        text not null,
    until         timestamptz
);
create index identities_email on identities (email_hmac);

-- Network address and user agent of an event: evidence with a short life of its own.
create table event_context (
    event_id   uuid primary key,
    at         timestamptz not null,
    ip         inet,
    user_agent text
);
create index event_context_at on event_context (at);

-- One row for each mail to an address that somebody typed; the caps on mail to strangers count here.
-- A request that causes no mail writes one too, with the purpose 'none', so that it cannot be told from one that does.
create table mail_log (
    id        uuid primary key,
    fold_hmac bytea not null,
    purpose   text not null,
    at        timestamptz not null
);
create index mail_log_fold on mail_log (fold_hmac, purpose, at);
create index mail_log_at on mail_log (at);

-- Addresses that get no mail, as keyed hash: complaints, hard bounces, objections, and "this was not me".
create table suppressions (
    email_hmac bytea primary key,
    key_id     text not null,
    reason     text not null check (reason in ('complaint', 'bounce', 'objection', 'not_me', 'operator')),
    created_at timestamptz not null,
    until      timestamptz
);

-- What still has to be done outside the database, written in the transaction that decided it.
create table outbox (
    id            uuid primary key,
    kind          text not null,
    subscriber_id uuid,
    event_id      uuid,
    epoch         integer not null default 0,
    state         text not null default 'ready' check (state in ('ready', 'held', 'done', 'dead')),
    hold_reason   text,
    sealed        bytea,
    attempts      integer not null default 0,
    due_at        timestamptz not null,
    created_at    timestamptz not null,
    finished_at   timestamptz,
    outcome       text,
    check ((state = 'held') = (hold_reason is not null)),
    check ((state in ('done', 'dead')) = (finished_at is not null))
);
comment on column outbox.epoch is 'The subscriber''s epoch when the row was decided; a mail of an older epoch must not leave.';
comment on column outbox.sealed is 'AES-GCM sealed payload, only where the row would otherwise lose an address; dropped when done.';
comment on column outbox.due_at is 'When the row may be claimed; a claim moves it forward by the lease, so a lost worker''s row comes back by itself.';
create index outbox_ready on outbox (due_at) where state = 'ready';
create index outbox_unfinished on outbox (state, created_at) where state in ('ready', 'held', 'dead');
create index outbox_finished on outbox (finished_at) where finished_at is not null;

-- +goose Down
-- +goose StatementBegin
do $$
begin
    if exists (select from audit_events) then
        raise exception 'the ledger is not empty: it proves who consented, and is not dropped by going down';
    end if;
end
$$;
-- +goose StatementEnd
drop table outbox;
drop table suppressions;
drop table mail_log;
drop table event_context;
drop table identities;
drop table audit_events;
drop table consent_texts;
drop table subscribers;
