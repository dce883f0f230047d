package main

import (
	"cmp"
	"context"
	"flag"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"newsletter/cmd/newsletter/internal/terminal"
	"newsletter/shared/requeststats"
)

// The periods of the charts, and the longest forecast that is printed.
const (
	chartHours   = 24
	coldDays     = 7
	maxTrendDays = 365 // in days
)

// route is the latency of a route.
type route struct {
	Endpoint string                `json:"endpoint"`
	Hour     requeststats.Interval `json:"last_hour"`
	Usual    requeststats.Usual    `json:"usual"`
	Slower   bool                  `json:"slower_than_usual"`
	Trend    requeststats.Trend    `json:"trend"`
	Crosses  *float64              `json:"crosses_in_days,omitempty"`
	Cold     requeststats.Interval `json:"cold_starts"` // of seven days
	hours    []float64             // 95th percentiles; NaN without requests
}

// perfCommand shows the latency of the routes. It returns an error if a route is slower than usual, or if the health
// function, which counts the requests, is not running.
func perfCommand(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("perf", flag.ContinueOnError)
	asJSON, endpoint := flags.Bool("json", false, "print JSON"), flags.String("endpoint", "", `only this route, such as "subscribe POST"`)
	target := flags.Duration("target", 200*time.Millisecond, "p95 target")
	if err := parse(flags, args); err != nil {
		return err
	}
	if flags.NArg() > 0 || *target <= 0 {
		return errUsage("perf takes no arguments, and --target must be positive")
	}
	db, err := openStats(ctx)
	if err != nil {
		return err
	}
	defer db.Close()
	now := time.Now()
	routes, err := readRoutes(ctx, requeststats.NewReader(db, func() time.Time { return now }), now, *target)
	if err != nil {
		return err
	}
	var names []string
	for _, r := range routes {
		names = append(names, r.Endpoint)
	}
	if *endpoint != "" && len(names) > 0 {
		if err := checkKnown("endpoint", *endpoint, names); err != nil {
			return err
		}
	}
	routes = slices.DeleteFunc(routes, func(r route) bool { return *endpoint != "" && r.Endpoint != *endpoint })
	if *asJSON {
		err = printJSON(stdout, append([]route{}, routes...))
	} else {
		drawRoutes(stdout, terminal.PainterFor(os.Stdout), routes, *target)
	}
	for _, r := range routes {
		if r.Slower && err == nil {
			err = fmt.Errorf("%s is slower than usual", r.Endpoint)
		}
	}
	return cmp.Or(err, checkHealthRuns(ctx, db))
}

func readRoutes(ctx context.Context, r *requeststats.Reader, now time.Time, target time.Duration) ([]route, error) {
	assessed, err := r.Assess(ctx)
	if err != nil {
		return nil, err
	}
	hours, err := r.Hours(ctx, chartHours)
	if err != nil {
		return nil, err
	}
	latest, err := r.Latest(ctx)
	if err != nil {
		return nil, err
	}
	cold, err := r.ColdStarts(ctx, coldDays)
	if err != nil {
		return nil, err
	}
	all := map[string]*route{}
	of := func(name string) *route {
		if all[name] == nil {
			all[name] = &route{Endpoint: name, hours: slices.Repeat([]float64{math.NaN()}, chartHours)}
		}
		return all[name]
	}
	for _, a := range assessed {
		one := of(a.Endpoint)
		one.Usual, one.Slower, one.Trend = a.Usual, a.Slower, a.Trend
		if days, crosses := a.Trend.Crosses(target); crosses {
			one.Crosses = &days
		}
	}
	first := now.UTC().Truncate(time.Hour).Add((1 - chartHours) * time.Hour)
	for name, list := range hours {
		for _, h := range list {
			of(name).hours[int(h.At.Sub(first)/time.Hour)] = float64(h.P95)
		}
	}
	for name, list := range latest {
		of(name).Hour = list[0]
	}
	for name, list := range cold {
		of(name).Cold = list[0]
	}
	var routes []route
	for _, name := range slices.Sorted(maps.Keys(all)) {
		routes = append(routes, *all[name])
	}
	return routes, nil
}

func drawRoutes(w io.Writer, paint terminal.Painter, routes []route, target time.Duration) {
	if len(routes) == 0 {
		fmt.Fprintln(w, "No requests yet. The health function counts them within five minutes after the response.")
		return
	}
	rows := [][]string{{"ROUTE", "REQUESTS", "ERRORS", "P50", "P95", "P99", "USUAL P95", "P95 OF 24 HOURS", ""}}
	for _, r := range routes {
		mark := ""
		if r.Slower {
			mark = paint.Paint(terminal.Bad, "SLOWER THAN USUAL")
		}
		rows = append(rows, []string{r.Endpoint, strconv.FormatInt(r.Hour.Requests, 10), terminal.FormatPercent(r.Hour.Errors, r.Hour.Requests),
			terminal.FormatDuration(r.Hour.P50), terminal.FormatDuration(r.Hour.P95), terminal.FormatDuration(r.Hour.P99), terminal.FormatBaseline(r.Usual),
			terminal.Sparkline(r.hours, chartHours), mark})
	}
	drawTable(w, paint, "Requests of the last hour, in warm environments", terminal.Columns("lrrrrrrll", rows...))
	drawTrends(w, routes, target)
	drawColdStarts(w, paint, routes)
}

func drawTable(w io.Writer, paint terminal.Painter, title string, lines []string) {
	fmt.Fprintln(w, paint.Paint(terminal.Bold, title))
	fmt.Fprintln(w, strings.Join(lines, "\n"))
}

func drawTrends(w io.Writer, routes []route, target time.Duration) {
	for _, r := range routes {
		switch {
		case r.Crosses != nil && *r.Crosses > maxTrendDays:
		case r.Crosses != nil:
			fmt.Fprintf(w, "\n%s rises by %s a day and will exceed %s in %.0f days.", r.Endpoint, terminal.FormatDuration(r.Trend.PerDay), terminal.FormatDuration(target), *r.Crosses)
		case r.Trend.Rising:
			fmt.Fprintf(w, "\n%s rises by %s a day and exceeds %s.", r.Endpoint, terminal.FormatDuration(r.Trend.PerDay), terminal.FormatDuration(target))
		}
	}
	if !slices.ContainsFunc(routes, func(r route) bool { return r.Trend.Known }) {
		fmt.Fprint(w, "\nTrends need seven days with at least 50 requests each.")
	}
	fmt.Fprintln(w)
}

func drawColdStarts(w io.Writer, paint terminal.Painter, routes []route) {
	rows := [][]string{{"ROUTE", "REQUESTS", "P50", "P95"}}
	for _, r := range routes {
		if r.Cold.Requests > 0 {
			rows = append(rows, []string{r.Endpoint, strconv.FormatInt(r.Cold.Requests, 10), terminal.FormatDuration(r.Cold.P50), terminal.FormatDuration(r.Cold.P95)})
		}
	}
	if len(rows) > 1 {
		fmt.Fprintln(w)
		drawTable(w, paint, fmt.Sprintf("Cold starts of the last %d days", coldDays), terminal.Columns("lrrr", rows...))
	}
}
