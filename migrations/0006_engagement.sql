-- What became of mails after they were handed over: deliveries, bounces, complaints, opens, clicks. Deletable.

-- +goose Up
create table engagement_events (
    id            uuid primary key,
    at            timestamptz not null,
    kind          text not null check (kind in ('delivery', 'bounce', 'complaint', 'open', 'click', 'reject', 'delay')),
    detail        text not null default '',
    permanent     boolean not null default false,
    subscriber_id uuid,
    delivery_id   uuid not null,
    unique (delivery_id, kind, at)
);
comment on column engagement_events.detail is 'One word of the provider, such as the type of a bounce. Never an address.';
create index engagement_events_at on engagement_events (at, kind);
create index engagement_events_subscriber on engagement_events (subscriber_id) where subscriber_id is not null;

-- +goose Down
drop table engagement_events;
