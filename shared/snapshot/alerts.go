package snapshot

import (
	"github.com/jackc/pgx/v5"

	"newsletter/shared/alert"
)

// Alerts are the firing alerts, critical ones first, and the last resolved ones.
type Alerts struct{ Firing, Resolved []alert.Alert }

func (a Alerts) Has(rule alert.Rule, subject string) bool {
	for _, firing := range a.Firing {
		if firing.Rule == rule && firing.Subject == subject {
			return true
		}
	}
	return false
}

// The resolved alerts are searched among the hundred that fired last, by the index on firing_since.
const (
	firingSQL = `
select rule, subject, severity, summary, firing_since, resolved_at from alerts where resolved_at is null
order by severity = 'critical' desc, firing_since limit 50`
	resolvedSQL = `
select rule, subject, severity, summary, firing_since, resolved_at
from (select * from alerts order by firing_since desc limit 100) as latest
where resolved_at is not null order by resolved_at desc limit 3`
)

func readAlerts(b *pgx.Batch, into *Alerts) {
	read := func(list *[]alert.Alert) func(pgx.Rows) error {
		return func(rows pgx.Rows) (err error) {
			*list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (a alert.Alert, err error) {
				return a, row.Scan((*string)(&a.Rule), &a.Subject, (*string)(&a.Severity), &a.Summary, &a.FiringSince, &a.ResolvedAt)
			})
			return err
		}
	}
	b.Queue(firingSQL).Query(read(&into.Firing))
	b.Queue(resolvedSQL).Query(read(&into.Resolved))
}
