package migrations

import (
	"context"
	"fmt"

	"newsletter/shared/retention"
)

// Validate compares the database with what this release expects: checksums of the applied files, the schema, the rights
// and limits of the functions' role, and what must be true of the data. It changes nothing. What differs is a problem in
// the result, not an error.
func (r *Runner) Validate(ctx context.Context) (Result, error) {
	return r.command(ctx, "validate", false, func(s *session, result *Result) error {
		done, err := readApplied(ctx, s.db)
		if err != nil {
			return err
		}
		problems, pending, newer := compare(s.files, done)
		result.Problems = append(append(result.Problems, problems...), prefixed("not applied: ", pending)...)
		result.Warnings = append(result.Warnings, prefixed("the database is ahead of this release: ", newer)...)
		if len(done) == 0 {
			return nil // an empty database is told by "not applied"
		}
		var checks []func(context.Context) ([]string, error)
		if len(newer) == 0 { // otherwise only the newer release knows what there should be
			checks = append(checks, s.checkSchema)
		}
		if len(pending) == 0 {
			checks = append(checks, s.checkData)
		}
		if !s.roles.separate() {
			result.Warnings = append(result.Warnings, fmt.Sprintf("the functions have no role of their own beside %q", s.roles.Current))
		} else {
			checks = append(checks, s.checkRoles)
			if len(pending)+len(newer) == 0 {
				checks = append(checks, s.checkGrants)
			}
		}
		for _, check := range checks {
			found, err := check(ctx)
			if err != nil {
				return err
			}
			result.Problems = append(result.Problems, found...)
		}
		return nil
	})
}

// invariant is something that must be true of the data. The query counts the exceptions.
type invariant struct {
	broken string
	query  string
}

var invariants = []invariant{
	{"subscribers whose request is not in the ledger", `
select count(*) from subscribers s where not exists (select from ledger_events e where e.id = s.request_event_id)`},
	{"active subscribers whose activation is not in the ledger", `
select count(*) from subscribers s
where s.status = 'active' and not exists (select from ledger_events e where e.subscriber_id = s.id and e.data ->> 'to' = 'active')`},
	{"subscribers without an identity", `
select count(*) from subscribers s where not exists (select from identities i where i.subscriber_id = s.id)`},
	{"subscribers whose normal address is not in lower case", `
select count(*) from subscribers where email_norm <> lower(email_norm)`},
	{"consent texts that are not what was hashed", `
select count(*) from consent_texts where sha256 <> sha256(convert_to(body, 'UTF8'))`},
	{"outbox rows that are done and still hold an address", `
select count(*) from outbox where state = 'done' and sealed is not null`},
	{"outbox rows whose event is not in the ledger", `
select count(*) from outbox o
where o.event_id is not null and o.kind not like 'alert.%' and not exists (select from ledger_events e where e.id = o.event_id)`},
	// The event of a row of an alert is the alert. Retention may delete an alert before its rows, but not so soon after them.
	{"outbox rows whose alert does not exist", fmt.Sprintf(`
select count(*) from outbox o
where o.kind like 'alert.%%' and o.created_at > now() - interval '%d days' and not exists (select from alerts a where a.id = o.event_id)`,
		retention.LeastStatistics)},
}

// checkData finds exceptions from the invariants.
func (s *session) checkData(ctx context.Context) ([]string, error) {
	var problems []string
	for _, i := range invariants {
		var count int64
		if err := s.db.QueryRowContext(ctx, i.query).Scan(&count); err != nil {
			return nil, fmt.Errorf("look for %s: %w", i.broken, err)
		}
		if count > 0 {
			problems = append(problems, fmt.Sprintf("data: %d %s", count, i.broken))
		}
	}
	return problems, nil
}
