package monitor

import (
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"newsletter/internal/terminal"
	"newsletter/shared/alert"
)

// Alerts are the firing alerts, critical ones first, and the last resolved ones.
type Alerts struct{ Firing, Resolved []alert.Alert }

func (a Alerts) has(rule alert.Rule, subject string) bool {
	for _, open := range a.Firing {
		if open.Rule == rule && open.Subject == subject {
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
				return a, row.Scan((*string)(&a.Rule), &a.Subject, (*string)(&a.Level), &a.Summary, &a.OpenedAt, &a.ClosedAt)
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
	for _, open := range a.Firing {
		lines = append(lines, v.Paint.Paint(terminal.SeverityColor(open.Level), fmt.Sprintf("%-8s  %s, for %s", open.Level, title(open), terminal.FormatAge(v.Now.Sub(open.OpenedAt)))))
		if v.terse {
			continue
		}
		const indent = "          "
		for _, text := range terminal.Wrap(open.Summary+" "+advice(open), max(20, v.Width-len(indent))) {
			lines = append(lines, indent+text)
		}
	}
	for _, closed := range a.Resolved {
		text := fmt.Sprintf("over      %s, %s ago, after %s", title(closed), terminal.FormatAge(v.Now.Sub(*closed.ClosedAt)), terminal.FormatAge(closed.ClosedAt.Sub(closed.OpenedAt)))
		lines = append(lines, v.Paint.Paint(terminal.Faint, text))
	}
	return lines
}

// title returns the title of an alert, with its subject if it has one.
func title(a alert.Alert) string {
	if a.Subject == "" {
		return a.Title(alert.Opened)
	}
	return a.Title(alert.Opened) + " (" + a.Subject + ")"
}

// advice returns what to do about an alert. It is empty for a rule of a newer version.
func advice(a alert.Alert) string {
	for _, line := range a.Lines(alert.Opened) {
		if text, found := strings.CutPrefix(line, "What to do: "); found {
			return text
		}
	}
	return ""
}
