package monitor

import (
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"newsletter/internal/terminal"
	"newsletter/shared/alert"
)

// Alerts are those that are open, alarms first, and those that were closed last.
type Alerts struct{ Firing, Resolved []alert.Alert }

func (a Alerts) has(rule alert.Rule, subject string) bool {
	for _, open := range a.Firing {
		if open.Rule == rule && open.Subject == subject {
			return true
		}
	}
	return false
}

// Of the closed ones, which are found by when they were opened, the latest hundred are looked at.
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

// section says what is wrong, for how long, and what to do; and what is over.
func (a Alerts) section(v View) []string {
	lines := []string{v.title("ALERTS") + "  none open"}
	if len(a.Firing) > 0 {
		lines[0] = v.title("ALERTS") + fmt.Sprintf("  %d open", len(a.Firing))
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

// title is what an alert means, and what it is about where there are several.
func title(a alert.Alert) string {
	if a.Subject == "" {
		return a.Title(alert.Opened)
	}
	return a.Title(alert.Opened) + " (" + a.Subject + ")"
}

// advice is what to do about an alert; empty for the rule of a newer version.
func advice(a alert.Alert) string {
	for _, line := range a.Lines(alert.Opened) {
		if text, found := strings.CutPrefix(line, "What to do: "); found {
			return text
		}
	}
	return ""
}
