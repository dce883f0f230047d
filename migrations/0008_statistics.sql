-- What the system knows about itself: finished requests by slot, the figures of each health ping, alerts. Deletable; it
-- holds nothing about a person.

-- +goose Up
create table request_stats (
    span     integer not null check (span in (300, 3600)),
    slot     timestamptz not null,
    endpoint text not null,
    class    smallint not null check (class between 1 and 5),
    cold     boolean not null,
    bucket   smallint not null check (bucket >= 0),
    requests bigint not null check (requests > 0),
    primary key (span, slot, endpoint, class, cold, bucket)
);
comment on column request_stats.span is 'Seconds of the slot: five minutes, or the hour that sums them up.';
comment on column request_stats.bucket is 'Of the duration, by shared/histogram.';

create table health_samples (
    at      timestamptz primary key,
    status  text not null check (status in ('pass', 'warn', 'fail')),
    figures jsonb not null
);

create table alerts (
    id          uuid primary key,
    rule        text not null,
    subject     text not null,
    level       text not null check (level in ('warning', 'alarm')),
    summary     text not null,
    opened_at   timestamptz not null,
    seen_at     timestamptz not null,
    reminded_at timestamptz,
    closed_at   timestamptz check (closed_at >= opened_at)
);
comment on column alerts.seen_at is 'When the rule last found it.';
comment on column alerts.subject is 'What the rule is about, such as an endpoint; empty where there is one only.';
create unique index alerts_open on alerts (rule, subject) where closed_at is null;
create index alerts_opened on alerts (opened_at);

-- +goose Down
drop table alerts;
drop table health_samples;
drop table request_stats;
