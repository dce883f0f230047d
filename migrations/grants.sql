-- What the role of the functions may do; applied after every run, so it is always the whole truth.
-- Nothing that a table was ever granted stays: first everything is taken away.
revoke all on all tables in schema public from {app};
grant usage on schema public to {app};

-- The ledger and the texts that people agreed to can be added to and read. Nobody changes them.
grant select, insert on audit_events, consent_texts to {app};

grant select, insert, update, delete on subscribers, identities, suppressions, outbox to {app};
grant select, insert, delete on event_context, mail_log to {app};

-- health compares the schema's version with its own.
grant select on goose_db_version to {app};
