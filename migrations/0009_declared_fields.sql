-- The values of declared fields (docs/adr/0045). Those of a sign-up wait for its confirmation beside the subscriber, so that
-- nobody changes the values of an address that is not theirs.

-- +goose Up
alter table subscribers
    add column fields jsonb,
    add column fields_at timestamptz;
comment on column subscribers.fields is 'The values of declared fields by name; null for none.';
comment on column subscribers.fields_at is 'When they last changed; null without values.';

create table requested_fields (
    subscriber_id uuid not null references subscribers (id) on delete cascade,
    event_id      uuid not null,
    at            timestamptz not null,
    fields        jsonb not null check (pg_column_size(fields) <= 7168),
    primary key (subscriber_id, event_id)
);
-- Compression would make the length of the write-ahead log depend on the values, for which the other states pad it.
alter table requested_fields alter column fields set storage plain;
comment on table requested_fields is 'The values of declared fields of sign-ups that wait for their confirmation.';

-- +goose StatementBegin
create function subscription_write_v2(
    p_row text, p_id uuid, p_email text, p_email_norm text, p_status text, p_returning_from text, p_epoch integer,
    p_locale text, p_source jsonb, p_request_event_id uuid, p_requested_at timestamptz, p_confirmed_at timestamptz,
    p_ended_at timestamptz, p_identity_until timestamptz, p_padding integer,
    p_email_hmac bytea, p_mailbox_hmac bytea, p_key_id text,
    p_domain_hmac bytea, p_network_hmac bytea, p_slot_first boolean, p_slot_at timestamptz,
    p_event_id uuid, p_at timestamptz, p_kind text, p_subscriber_id uuid, p_actor text, p_channel text,
    p_event_source jsonb, p_text_id uuid, p_request_id text, p_data jsonb, p_ip inet, p_user_agent text, p_sent_source jsonb,
    p_muted_until timestamptz,
    p_message_id uuid, p_message_kind text, p_message_epoch integer, p_due_at timestamptz, p_hold_reason text,
    p_fields jsonb)
returns void language plpgsql as $$
begin
    -- A commit waits for the write-ahead log. An unused message makes up for what a request that changes less writes less.
    if p_padding > 0 then
        perform pg_logical_emit_message(true, 'newsletter', repeat('.', p_padding));
    end if;
    case p_row
    when 'insert' then
        insert into subscribers (id, email, email_norm, status, returning_from, epoch, locale, source, request_event_id,
                                 requested_at, confirmed_at, ended_at, fields, fields_at)
        values (p_id, p_email, p_email_norm, p_status, p_returning_from, p_epoch, p_locale, p_source, p_request_event_id,
                p_requested_at, p_confirmed_at, p_ended_at,
                case when p_status = 'active' then p_fields end,
                case when p_status = 'active' and p_fields is not null then p_at end);
        insert into identities (subscriber_id, email_hmac, mailbox_hmac, key_id)
        values (p_id, p_email_hmac, p_mailbox_hmac, p_key_id);
    when 'update' then
        update subscribers s
        set email = p_email, status = p_status, returning_from = p_returning_from, epoch = p_epoch, locale = p_locale,
            request_event_id = p_request_event_id, requested_at = p_requested_at, confirmed_at = p_confirmed_at,
            ended_at = p_ended_at
        where s.id = p_id;
        -- The pseudonyms follow a change of the key with each use of the address.
        update identities i set email_hmac = p_email_hmac, mailbox_hmac = p_mailbox_hmac, key_id = p_key_id
        where i.subscriber_id = p_id and p_email_hmac is not null
          and (i.email_hmac <> p_email_hmac or i.mailbox_hmac <> p_mailbox_hmac or i.key_id <> p_key_id);
    when 'delete' then
        delete from subscribers s where s.id = p_id;
        update identities i set until = p_identity_until where i.subscriber_id = p_id;
    when 'none' then
    end case;

    insert into ledger_events (id, at, kind, subscriber_id, actor, channel, source, consent_text_id, request_id, data)
    values (p_event_id, p_at, p_kind, p_subscriber_id, p_actor, p_channel, p_event_source, p_text_id, p_request_id, p_data);
    insert into event_context (event_id, at, ip, user_agent, source)
    values (p_event_id, p_at, p_ip, p_user_agent, p_sent_source);

    -- The values of a sign-up that waits for its confirmation become the subscriber's with it.
    if p_fields is not null and p_status = 'pending' then
        insert into requested_fields (subscriber_id, event_id, at, fields) values (p_id, p_event_id, p_at, p_fields);
    end if;

    -- A temporary suppression never replaces a permanent one, and a shorter period never replaces a longer one.
    if p_muted_until is not null then
        insert into suppressions as s (email_hmac, mailbox_hmac, key_id, reason, created_at, until)
        select i.email_hmac, i.mailbox_hmac, i.key_id, 'declined', p_at, p_muted_until
        from identities i where i.subscriber_id = p_subscriber_id
        on conflict (email_hmac) do update
        set mailbox_hmac = excluded.mailbox_hmac, reason = excluded.reason, created_at = excluded.created_at, until = excluded.until
        where s.until < excluded.until;
    end if;

    if p_slot_at is not null then
        insert into signup_slots (domain_hmac, network_hmac, first, at) values (p_domain_hmac, p_network_hmac, p_slot_first, p_slot_at);
    end if;
    insert into outbox (id, kind, subscriber_id, event_id, epoch, domain_hmac, due_at, deferred_until, waits_for, created_at, state, hold_reason)
    values (p_message_id, p_message_kind, p_subscriber_id, p_event_id, p_message_epoch, p_domain_hmac, p_due_at,
            case when p_due_at > p_at then p_due_at end, case when p_due_at > p_at then 'slot' end, p_at,
            case when p_hold_reason is null then 'ready' else 'held' end, p_hold_reason);
end
$$;
-- +goose StatementEnd
comment on function subscription_write_v2 is
    'Stores a decision: the row (p_row: insert, update, delete or none), its ledger event and its message, and the values of a sign-up. An event that exists is refused as a duplicate key.';

-- +goose Down
drop function subscription_write_v2;
drop table requested_fields;
alter table subscribers drop column fields_at, drop column fields;
