package monitor

import (
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"newsletter/cmd/newsletter/internal/terminal"
	"newsletter/shared/alert"
)

// Alerts are the firing alerts, critical ones first, and the last resolved ones.
type Alerts struct{ Firing, Resolved []alert.Alert }

func (a Alerts) has(rule alert.Rule, subject string) bool {
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

// section returns the lines on firing alerts, with their age and what to do, and on resolved ones.
func (a Alerts) section(v View) []string {
	lines := []string{v.title("ALERTS") + "  none firing"}
	if len(a.Firing) > 0 {
		lines[0] = v.title("ALERTS") + fmt.Sprintf("  %d firing", len(a.Firing))
	}
	for _, firing := range a.Firing {
		lines = append(lines, v.Paint.Paint(terminal.SeverityColor(firing.Severity), fmt.Sprintf("%-8s  %s, for %s", firing.Severity, title(firing), terminal.FormatAge(v.Now.Sub(firing.FiringSince)))))
		if v.terse {
			continue
		}
		const indent = "          "
		for _, text := range terminal.Wrap(firing.Summary+" "+advice(firing), max(20, v.Width-len(indent))) {
			lines = append(lines, indent+text)
		}
	}
	for _, resolved := range a.Resolved {
		text := fmt.Sprintf("resolved  %s, %s ago, after %s", title(resolved), terminal.FormatAge(v.Now.Sub(*resolved.ResolvedAt)), terminal.FormatAge(resolved.ResolvedAt.Sub(resolved.FiringSince)))
		lines = append(lines, v.Paint.Paint(terminal.Faint, text))
	}
	return lines
}

// title returns the title of an alert, with its subject if it has one.
func title(a alert.Alert) string {
	if a.Subject == "" {
		return a.Title(alert.Firing)
	}
	return a.Title(alert.Firing) + " (" + a.Subject + ")"
}

// advice returns what to do about an alert. It is empty for a rule of a newer version.
func advice(a alert.Alert) string {
	for _, line := range a.Lines(alert.Firing) {
		if text, found := strings.CutPrefix(line, "What to do: "); found {
			return text
		}
	}
	return ""
}
