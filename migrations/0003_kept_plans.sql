-- The transactions of the request path as functions: one reads, one writes. PL/pgSQL keeps their plans in the server's
-- session, also behind a pooler (docs/adr/0033). A function is never changed, because code of the previous release
-- calls it during a deploy: a change gets the next version in its name, and the release after drops the old one. The
-- columns that they use and that later files add are there at the first call.

-- +goose Up

-- +goose StatementBegin
create function request_load_v1(
    p_lock bigint, p_event_id uuid, p_email_norm text, p_email_hmac bytea, p_mailbox_hmac bytea, p_now timestamptz,
    p_domain_hmac bytea, p_network_hmac bytea, p_slots_since timestamptz, p_text_version text, p_locale text,
    out id uuid, out email text, out email_norm text, out status text, out returning_from text, out epoch integer,
    out locale text, out source jsonb, out request_event_id uuid, out requested_at timestamptz,
    out confirmed_at timestamptz, out ended_at timestamptz, out suppressed text, out mailbox_suppressed text,
    out slots_at timestamptz[], out slots_first boolean[], out slots_own boolean[],
    out text_id uuid, out text_named boolean, out text_certain boolean, out recorded text)
language plpgsql as $$
begin
    -- Only the holder of the lock waits for the row, and the reads after it see what the row's last holder committed.
    if not pg_try_advisory_xact_lock(p_lock) then
        return;
    end if;
    select s.id, s.email, s.email_norm, s.status, s.returning_from, s.epoch, s.locale, s.source, s.request_event_id,
           s.requested_at, s.confirmed_at, s.ended_at
    into id, email, email_norm, status, returning_from, epoch, locale, source, request_event_id,
         requested_at, confirmed_at, ended_at
    from subscribers s where s.email_norm = p_email_norm for update;

    suppressed := (select s.reason from suppressions s
                   where s.email_hmac = p_email_hmac and (s.until is null or s.until > p_now));
    mailbox_suppressed := (select s.reason from suppressions s
                           where s.mailbox_hmac = p_mailbox_hmac and s.email_hmac <> p_email_hmac
                             and (s.until is null or s.until > p_now)
                           order by s.until desc limit 1);

    if p_domain_hmac is not null then
        select array_agg(l.at order by l.at), array_agg(l.first order by l.at), array_agg(l.network_hmac = p_network_hmac order by l.at)
        into slots_at, slots_first, slots_own
        from signup_slots l where l.domain_hmac = p_domain_hmac and l.at > p_slots_since;
    end if;

    -- The named version, or the current one if it does not exist; of it the text in the reader's language, else in its
    -- base language, else in English, else any.
    if p_text_version is not null then
        select t.id, t.version = p_text_version, lower(t.locale) in (lower(p_locale), lower(split_part(p_locale, '-', 1))) or count(*) over () = 1
        into text_id, text_named, text_certain
        from consent_texts t
        where t.version = coalesce((select c.version from consent_texts c where c.version = p_text_version limit 1), (
            select c.version from consent_texts c group by c.version order by min(c.created_at) desc, c.version desc limit 1))
        order by lower(t.locale) = lower(p_locale) desc, lower(t.locale) = lower(split_part(p_locale, '-', 1)) desc,
                 t.locale = 'en' desc, t.locale
        limit 1;
    end if;

    recorded := (select e.data ->> 'outcome' from ledger_events e where e.id = p_event_id);
end
$$;
-- +goose StatementEnd
comment on function request_load_v1 is
    'Reads what decides about a request for an address. suppressed and mailbox_suppressed are reasons; slots_own is whether a slot has the request''s network; recorded is the outcome of an earlier run of the same transaction.';

-- +goose StatementBegin
create function link_load_v1(
    p_lock bigint, p_subscriber_id uuid, p_former boolean, p_event_id uuid, p_now timestamptz,
    out id uuid, out email text, out email_norm text, out status text, out returning_from text, out epoch integer,
    out locale text, out source jsonb, out request_event_id uuid, out requested_at timestamptz,
    out confirmed_at timestamptz, out ended_at timestamptz, out known boolean, out suppressed text,
    out requested boolean, out text_id uuid)
language plpgsql as $$
declare
    present uuid[] := array[p_subscriber_id];
begin
    if not pg_try_advisory_xact_lock(p_lock) then
        return;
    end if;
    -- An unconfirmed request is deleted, and the next one of its address gets a new id. The identities link the old id
    -- to the current row. There is at most one, because an address has one row.
    if p_former then
        present := present || array(
            select i.subscriber_id from identities f join identities i using (email_hmac) where f.subscriber_id = p_subscriber_id);
    end if;
    select s.id, s.email, s.email_norm, s.status, s.returning_from, s.epoch, s.locale, s.source, s.request_event_id,
           s.requested_at, s.confirmed_at, s.ended_at
    into id, email, email_norm, status, returning_from, epoch, locale, source, request_event_id,
         requested_at, confirmed_at, ended_at
    from subscribers s where s.id = any(present) for update;

    -- The lock makes an erasure, which deletes the identity first, wait for this transaction.
    select true, s.reason into known, suppressed
    from identities i left join suppressions s on s.email_hmac = i.email_hmac and (s.until is null or s.until > p_now)
    where i.subscriber_id = p_subscriber_id
    for key share of i;

    if p_event_id is not null then
        select true, coalesce(e.consent_text_id, (e.data ->> 'text_to_show')::uuid) into requested, text_id
        from ledger_events e
        where e.id = p_event_id and e.subscriber_id = p_subscriber_id and e.kind = 'subscription.requested';
    end if;
end
$$;
-- +goose StatementEnd
comment on function link_load_v1 is
    'Reads what decides about the use of a link. p_former also finds the row that replaced the link''s; requested is whether the link''s sign-up, p_event_id, is in the ledger.';

-- +goose StatementBegin
create function subscription_write_v1(
    p_row text, p_id uuid, p_email text, p_email_norm text, p_status text, p_returning_from text, p_epoch integer,
    p_locale text, p_source jsonb, p_request_event_id uuid, p_requested_at timestamptz, p_confirmed_at timestamptz,
    p_ended_at timestamptz, p_identity_until timestamptz, p_padding integer,
    p_email_hmac bytea, p_mailbox_hmac bytea, p_key_id text,
    p_domain_hmac bytea, p_network_hmac bytea, p_slot_first boolean, p_slot_at timestamptz,
    p_event_id uuid, p_at timestamptz, p_kind text, p_subscriber_id uuid, p_actor text, p_channel text,
    p_event_source jsonb, p_text_id uuid, p_request_id text, p_data jsonb, p_ip inet, p_user_agent text, p_sent_source jsonb,
    p_muted_until timestamptz,
    p_message_id uuid, p_message_kind text, p_message_epoch integer, p_due_at timestamptz, p_hold_reason text)
returns void language plpgsql as $$
begin
    -- A commit waits for the write-ahead log. An unused message makes up for what a request that changes less writes less.
    if p_padding > 0 then
        perform pg_logical_emit_message(true, 'newsletter', repeat('.', p_padding));
    end if;
    case p_row
    when 'insert' then
        insert into subscribers (id, email, email_norm, status, returning_from, epoch, locale, source, request_event_id,
                                 requested_at, confirmed_at, ended_at)
        values (p_id, p_email, p_email_norm, p_status, p_returning_from, p_epoch, p_locale, p_source, p_request_event_id,
                p_requested_at, p_confirmed_at, p_ended_at);
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
comment on function subscription_write_v1 is
    'Stores a decision: the row (p_row: insert, update, delete or none), its ledger event and its message. An event that exists is refused as a duplicate key.';

-- +goose Down
drop function subscription_write_v1;
drop function link_load_v1;
drop function request_load_v1;
