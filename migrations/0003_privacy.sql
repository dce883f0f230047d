-- Rights of a person, the way out of the database for what must outlive it, and bounds on mail to one domain.

-- +goose Up

-- Who was erased, as keyed hash: so that an import or a restored backup does not bring them back. Deletable.
create table erasures (
    event_id      uuid primary key,
    subscriber_id uuid not null,
    email_hmac    bytea not null,
    key_id        text not null,
    at            timestamptz not null
);
create index erasures_email on erasures (email_hmac);
create index erasures_at on erasures (at);

-- Requests for access or erasure and until when they are to be answered (Art. 12(3) GDPR: one month).
create table privacy_requests (
    id            uuid primary key,
    kind          text not null check (kind in ('export', 'erase')),
    channel       text not null,
    subscriber_id uuid,
    received_at   timestamptz not null,
    due_at        timestamptz not null,
    done_at       timestamptz,
    outcome       text,
    check ((done_at is null) = (outcome is null))
);
comment on column privacy_requests.channel is 'link: asked and answered by a mailed link; letter: entered by the operator.';
create index privacy_requests_open on privacy_requests (due_at) where done_at is null;
create index privacy_requests_done on privacy_requests (done_at) where done_at is not null;

-- While a row stands that was not lifted, deliver does not send what it names: "mail", or a listener such as "webhook-1".
create table pauses (
    id        uuid primary key,
    subject   text not null,
    reason    text not null,
    at        timestamptz not null,
    lifted_at timestamptz
);
create unique index pauses_running on pauses (subject) where lifted_at is null;

-- The registrable domain that a mail went to, as keyed hash; null for the large providers, which are not counted.
alter table mail_log add column domain_hmac bytea;

-- +goose Down
-- +goose StatementBegin
do $$
begin
    if exists (select from erasures) or exists (select from privacy_requests) then
        raise exception 'somebody used their rights: what proves the answer is not dropped by going down';
    end if;
end
$$;
-- +goose StatementEnd
alter table mail_log drop column domain_hmac;
drop table pauses;
drop table privacy_requests;
drop table erasures;
