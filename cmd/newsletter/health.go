package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
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

	"newsletter/internal/lambdalocal"
	"newsletter/internal/terminal"
	"newsletter/shared/alert"
	"newsletter/shared/healthcheck"
)

// healthDetails is the health function's response to a direct invocation.
type healthDetails struct {
	healthcheck.Report
	Requests []struct {
		Endpoint   string  `json:"endpoint"`
		Requests   int64   `json:"requests"`
		ErrorRate  float64 `json:"error_rate"`
		P50        float64 `json:"p50_ms"`
		P95        float64 `json:"p95_ms"`
		P99        float64 `json:"p99_ms"`
		ColdStarts int64   `json:"cold_starts"`
	} `json:"requests"`
	Alerts []alert.Alert `json:"alerts"`
}

// errUnhealthy returns the error for a status that is not pass.
func errUnhealthy(s healthcheck.Status) error { return fmt.Errorf("unhealthy: status %q", s) }

// healthCommand invokes the health function in AWS, or that of the running local system. It returns an error if a check
// fails, and with --strict also if one warns.
func healthCommand(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("health", flag.ContinueOnError)
	asJSON, strict := flags.Bool("json", false, "print JSON"), flags.Bool("strict", false, "exit with 1 also on a warning")
	function := flags.String("function", os.Getenv("HEALTH_FUNCTION"), "name or ARN of the function in AWS, by default HEALTH_FUNCTION; empty for the local system")
	if err := parse(flags, args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return errUsage("health takes no arguments")
	}
	result, err := invokeHealth(ctx, *function)
	if err != nil {
		return err
	}
	var d healthDetails
	if json.Unmarshal(result.Payload, &d) != nil || terminal.StatusColor(d.Status) == terminal.Plain {
		return errors.New("not a response of the health function; check its name")
	}
	if *asJSON {
		err = printJSON(stdout, json.RawMessage(result.Payload))
	} else {
		err = printHealth(stdout, d, terminal.PainterFor(os.Stdout))
	}
	if err == nil && (d.Status == healthcheck.Fail || *strict && d.Status == healthcheck.Warn) {
		err = errUnhealthy(d.Status)
	}
	return err
}

func invokeHealth(ctx context.Context, function string) (result lambdalocal.Result, err error) {
	event := []byte("{}")
	if function == "" {
		function = "health"
		result, err = invokeLocal(ctx, function, event, io.Discard)
	} else {
		result, err = invokeLambda(ctx, function, event)
	}
	if err == nil && result.FunctionError != "" {
		err = functionError(function, result)
	}
	return result, err
}

func printHealth(w io.Writer, d healthDetails, paint terminal.Painter) error {
	rows := [][]string{{"CHECK", "TIME", "STATUS", "OBSERVED"}}
	for _, name := range slices.Sorted(maps.Keys(d.Checks)) {
		for _, c := range d.Checks[name] {
			status := paint.Paint(terminal.StatusColor(c.Status), string(c.Status))
			rows = append(rows, []string{name, milliseconds(c.DurationMS), status, cmp.Or(c.Output, c.Observed)})
		}
	}
	lines := terminal.Columns("lrll", rows...)
	if len(d.Requests) > 0 {
		rows = [][]string{{"ROUTE, LAST 5 MINUTES", "REQUESTS", "ERRORS", "P50", "P95", "P99", "COLD STARTS"}}
		for _, e := range d.Requests {
			failed := int64(math.Round(e.ErrorRate * float64(e.Requests)))
			rows = append(rows, []string{e.Endpoint, strconv.FormatInt(e.Requests, 10), terminal.FormatPercent(failed, e.Requests),
				milliseconds(e.P50), milliseconds(e.P95), milliseconds(e.P99), strconv.FormatInt(e.ColdStarts, 10)})
		}
		lines = append(append(lines, ""), terminal.Columns("lrrrrrr", rows...)...)
	}
	lines = append(lines, "")
	for _, a := range d.Alerts {
		lines = append(lines, paint.Paint(terminal.SeverityColor(a.Level), string(a.Level)+":")+" "+a.Summary)
	}
	lines = append(lines, paint.Paint(terminal.StatusColor(d.Status), string(d.Status)))
	_, err := fmt.Fprintln(w, strings.Join(lines, "\n"))
	return err
}

func milliseconds(ms float64) string {
	return terminal.FormatDuration(time.Duration(ms * float64(time.Millisecond)))
}
