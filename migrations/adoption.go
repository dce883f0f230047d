package migrations

import "strings"

// adoption returns the steps that transfer the tables and functions of an earlier run without an owner role.
func (r *Runner) adoption() step {
	tables := append(namesOf("table ", r.texts.schema), bookkeeping...)
	oursSQL := `select 'table ' || oid::regclass as t from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'
    and relowner = current_user::regrole and relname in (` + quoteAll(tables) + `)
union all
select 'function ' || oid::regprocedure from pg_proc where pronamespace = 'public'::regnamespace
    and proowner = current_user::regrole and proname in (` + quoteAll(namesOf("function ", r.texts.schema)) + `)`
	return step{
		name: "hand the tables and functions over to " + ownerRole,
		done: "select not exists (" + oursSQL + ")",
		do:   "do $$ declare t text; begin for t in " + oursSQL + " loop execute format('alter %s owner to " + ownerRole + "', t); end loop; end $$",
	}
}

// quoteAll returns names as a list of SQL literals.
func quoteAll(names []string) string { return "'" + strings.Join(names, "', '") + "'" }
