-- Finished requests by the minute, so that what is said of the last five minutes is not of up to ten.

-- +goose Up
alter table request_stats drop constraint request_stats_span_check;
alter table request_stats add constraint request_stats_span_check check (span in (60, 300, 3600));
comment on column request_stats.span is 'Seconds of the slot: a minute, or the five minutes and the hour that sum them up.';

-- +goose Down
delete from request_stats where span = 60; -- the longer slots have them
alter table request_stats drop constraint request_stats_span_check;
alter table request_stats add constraint request_stats_span_check check (span in (300, 3600));
comment on column request_stats.span is 'Seconds of the slot: five minutes, or the hour that sums them up.';
