package migrations

import (
	"context"
	"fmt"

	"newsletter/shared/retention"
)

// Validate compares the database with what this release expects: the checksums of the applied files, the schema, the
// rights and limits of the functions' role, and the invariants of the data. It changes nothing. A difference is a
// problem in the result, not an error.
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
			return nil // "not applied" covers an empty database
		}
		var checks []func(context.Context) ([]string, error)
		if len(newer) == 0 { // otherwise only the newer release knows the schema
			checks = append(checks, s.checkSchema)
		}
		if len(pending) == 0 {
			checks = append(checks, s.checkData)
		}
		if !s.roles.separate() {
			result.Warnings = append(result.Warnings, fmt.Sprintf("the functions share the role %q with the migrator", s.roles.Current))
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

// invariant is a condition that the data must meet. The query counts violations.
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
	{"subscribers whose normalized address is not in lower case", `
select count(*) from subscribers where email_norm <> lower(email_norm)`},
	{"consent texts that do not match their hash", `
select count(*) from consent_texts where sha256 <> sha256(convert_to(body, 'UTF8'))`},
	{"outbox rows that are done and still contain an address", `
select count(*) from outbox where state = 'done' and sealed is not null`},
	{"outbox rows whose event is not in the ledger", `
select count(*) from outbox o
where o.event_id is not null and o.kind not like 'alert.%' and not exists (select from ledger_events e where e.id = o.event_id)`},
	// The event of an alert's row is the alert. Retention may delete the alert first, but not so soon.
	{"outbox rows whose alert does not exist", fmt.Sprintf(`
select count(*) from outbox o
where o.kind like 'alert.%%' and o.created_at > now() - interval '%d days' and not exists (select from alerts a where a.id = o.event_id)`,
		retention.MinStatisticsDays)},
}

// checkData lists violations of the invariants.
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
