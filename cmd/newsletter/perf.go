package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"newsletter/cmd/newsletter/internal/terminal"
	"newsletter/shared/operate"
)

// maxTrendDays is the longest forecast that is printed, and coldDays the number of days whose cold starts are counted.
const maxTrendDays, coldDays = 365, 7

// perfCommand shows the latency of the routes.
func (o *operator) perfCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "perf", Short: "Show the latency of each route, its baseline and its trend",
		Long:    "Show the latency of each route, compared with its baseline at this hour of the week. Exits with 1 if a route is slower than usual, or if the health function, which counts the requests, is not running.",
		Example: `newsletter perf --endpoint "subscribe POST"`, Args: takes(0, "no arguments"),
	}
	asJSON, endpoint := jsonFlag(c), c.Flags().String("endpoint", "", `only this route, such as "subscribe POST"`)
	target := c.Flags().Duration("target", 200*time.Millisecond, "p95 target")
	c.RunE = func(c *cobra.Command, _ []string) error {
		result, err := operate.Perf.Do(c.Context(), o, operate.RouteFilter{Endpoint: *endpoint, Target: *target})
		if err != nil {
			return err
		}
		if *asJSON {
			err = printJSON(stdout, result.Routes)
		} else {
			drawRoutes(stdout, terminal.PainterFor(os.Stdout), result.Routes, *target)
		}
		for _, r := range result.Routes {
			if r.Slower && err == nil {
				err = fmt.Errorf("%s is slower than usual", r.Endpoint)
			}
		}
		return cmp.Or(err, checkHealthRuns(result.Health))
	}
	return c
}

func drawRoutes(w io.Writer, paint terminal.Painter, routes []operate.Route, target time.Duration) {
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
			terminal.Sparkline(hours(r), operate.RouteHours), mark})
	}
	drawTable(w, paint, "Requests of the last hour, in warm environments", terminal.Columns("lrrrrrrll", rows...))
	drawTrends(w, routes, target)
	drawColdStarts(w, paint, routes)
}

func drawTable(w io.Writer, paint terminal.Painter, title string, lines []string) {
	fmt.Fprintln(w, paint.Paint(terminal.Bold, title))
	fmt.Fprintln(w, strings.Join(lines, "\n"))
}

func drawTrends(w io.Writer, routes []operate.Route, target time.Duration) {
	for _, r := range routes {
		switch {
		case r.Crosses != nil && *r.Crosses > maxTrendDays:
		case r.Crosses != nil:
			fmt.Fprintf(w, "\n%s rises by %s a day and will exceed %s in %.0f days.", r.Endpoint, terminal.FormatDuration(r.Trend.PerDay), terminal.FormatDuration(target), *r.Crosses)
		case r.Trend.Rising:
			fmt.Fprintf(w, "\n%s rises by %s a day and exceeds %s.", r.Endpoint, terminal.FormatDuration(r.Trend.PerDay), terminal.FormatDuration(target))
		}
	}
	if !slices.ContainsFunc(routes, func(r operate.Route) bool { return r.Trend.Known }) {
		fmt.Fprint(w, "\nTrends need seven days with at least 50 requests each.")
	}
	fmt.Fprintln(w)
}

func drawColdStarts(w io.Writer, paint terminal.Painter, routes []operate.Route) {
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

// hours returns the 95th percentiles of a route by hour; NaN without requests.
func hours(r operate.Route) []float64 {
	values := make([]float64, len(r.Hours))
	for i, p95 := range r.Hours {
		values[i] = math.NaN()
		if p95 != nil {
			values[i] = float64(*p95)
		}
	}
	return values
}
