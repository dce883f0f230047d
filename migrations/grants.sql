-- The rights of the roles that the functions sign in as. {app} is both of them: the functions' role and the role of
-- maintain and of the operator's tool. {keeper} is the latter alone. The file is applied after every run, in one
-- transaction that first revokes everything, so it lists all rights. Validate compares the database with it.
do $$
declare
    relation regclass;
begin
    for relation in
        select oid from pg_class
        where relnamespace = 'public'::regnamespace and relowner = current_user::regrole and relkind in ('r', 'p', 'v', 'm', 'S')
    loop
        execute format('revoke all on %s %s from public, {app}',
                       (select case relkind when 'S' then 'sequence' else 'table' end from pg_class where oid = relation), relation);
    end loop;
end
$$;

-- Ledger and consent texts are append-only. Only {keeper} seals, and adds consent texts.
grant select, insert on ledger_events to {app};
grant select on ledger_seals to {app};
grant insert, update (anchored_at) on ledger_seals to {keeper};
revoke all on function ledger_write_tombstones_v1 from public, {app};
grant execute on function ledger_write_tombstones_v1 to {keeper};
grant select on consent_texts to {app};
grant insert on consent_texts to {keeper};

-- Only {keeper} creates and revokes the keys of servers.
grant select on api_keys to {app};
grant insert, update (revoked_at) on api_keys to {keeper};

grant select on maintenance to {app};
grant insert, update on maintenance to {keeper};

grant select, insert, update, delete on subscribers to {app};
grant select, insert, update, delete on identities to {app};
grant select, insert, update, delete on suppressions to {app};
grant select, insert, update, delete on outbox to {app};
grant select, insert, delete on requested_fields to {app};
grant select, insert, delete on event_context to {app};
-- An erasure cuts the ids and times of the email log and the times of slots.
grant select, insert, delete, update (id, at) on email_log to {app};
grant select, insert, delete, update (at) on signup_slots to {app};
grant select, insert, delete on erasures to {app};
grant select, insert, delete on engagement_events to {app};
grant select, insert, update, delete on privacy_requests to {app};
grant select, insert, update, delete on pauses to {app};
grant select, insert, update, delete on sending_breakers to {app};
grant select, insert, update on recipients to {app};
grant select, insert, update, delete on request_stats to {app};
grant select, insert, delete on health_samples to {app};
grant select, insert, update, delete on alerts to {app};

-- health compares the version of the schema with its own.
grant select on goose_db_version to {app};
