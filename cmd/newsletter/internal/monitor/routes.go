package monitor

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"newsletter/cmd/newsletter/internal/terminal"
	"newsletter/shared/alert"
	"newsletter/shared/snapshot"
)

// routesSection returns the table of routes, those with errors first, then by requests.
func routesSection(v View, s snapshot.Snapshot) []string {
	if len(s.Routes) == 0 {
		return []string{v.title("ROUTES, LAST HOUR"), "no requests yet; health counts them when it runs"}
	}
	routes := slices.SortedFunc(slices.Values(s.Routes), func(a, b snapshot.Route) int {
		return cmp.Or(cmp.Compare(b.Errors, a.Errors), cmp.Compare(b.Requests, a.Requests), cmp.Compare(a.Name, b.Name))
	})
	rows := [][]string{v.titles("ROUTES, LAST HOUR", "REQUESTS", "", "ERRORS", "P50", "P95", "P99")}
	align := "lrlrrrr"
	if v.wide() {
		rows[0], align = append(rows[0], v.titles("P95, MAX", "", "USUAL")...), align+"rlr"
	}
	for _, r := range routes {
		failed := terminal.FormatPercent(r.Errors, r.Requests)
		if r.Errors > 0 {
			failed = v.Paint.Paint(terminal.Bad, failed)
		}
		p95 := terminal.FormatDuration(r.P95)
		if s.Alerts.Has(alert.Slower, r.Name) {
			p95 = v.Paint.Paint(terminal.Warn, p95)
		}
		row := []string{r.Name, strconv.FormatInt(r.Requests, 10), terminal.Sparkline(r.Counts[:], snapshot.Slots), failed, terminal.FormatDuration(r.P50), p95, terminal.FormatDuration(r.P99)}
		if v.wide() {
			row = append(row, terminal.FormatDuration(time.Duration(r.Slowest.Max())), terminal.Sparkline(r.Slowest[:], snapshot.Slots), terminal.FormatBaseline(r.Usual))
		}
		rows = append(rows, row)
	}
	return terminal.Columns(align, rows...)
}
