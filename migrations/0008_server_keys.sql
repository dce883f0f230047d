-- Keys of servers. A sign-up by key reads the key's row in the round trip that reads the address (docs/adr/0044).
-- request_load_v1 stays for code of the previous release.

-- +goose Up

create table api_keys (
    id         uuid primary key,
    label      text not null check (char_length(label) between 1 and 64),
    scopes     text[] not null check (cardinality(scopes) > 0 and scopes <@ array['signup', 'suppressions', 'read']),
    hash       bytea not null check (octet_length(hash) = 32),
    created_at timestamptz not null,
    revoked_at timestamptz
);
comment on column api_keys.label is 'The owner''s name for the server that has the key.';
comment on column api_keys.hash is 'The SHA-256 hash of the whole key, which is stored nowhere.';

-- +goose StatementBegin
create function request_load_v2(
    p_lock bigint, p_event_id uuid, p_email_norm text, p_email_hmac bytea, p_mailbox_hmac bytea, p_now timestamptz,
    p_domain_hmac bytea, p_network_hmac bytea, p_slots_since timestamptz, p_text_version text, p_locale text, p_api_key uuid,
    out id uuid, out email text, out email_norm text, out status text, out returning_from text, out epoch integer,
    out locale text, out source jsonb, out request_event_id uuid, out requested_at timestamptz,
    out confirmed_at timestamptz, out ended_at timestamptz, out suppressed text, out mailbox_suppressed text,
    out slots_at timestamptz[], out slots_first boolean[], out slots_own boolean[],
    out text_id uuid, out text_named boolean, out text_certain boolean, out recorded text,
    out api_key_hash bytea, out api_key_scopes text[], out api_key_revoked boolean)
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

    if p_api_key is not null then
        select k.hash, k.scopes, k.revoked_at is not null into api_key_hash, api_key_scopes, api_key_revoked
        from api_keys k where k.id = p_api_key;
    end if;
end
$$;
-- +goose StatementEnd
comment on function request_load_v2 is
    'Reads what decides about a request for an address. suppressed and mailbox_suppressed are reasons; slots_own is whether a slot has the request''s network; recorded is the outcome of an earlier run of the same transaction; api_key_hash is null for no key and for an unknown one.';

-- +goose Down
drop function request_load_v2;
drop table api_keys;
