package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"text/tabwriter"

	"newsletter/internal/terminal"
	"newsletter/shared/alert"
	"newsletter/shared/healthcheck"
)

// healthDetails are what the health function tells a direct invocation.
type healthDetails struct {
	healthcheck.Report
	Requests []struct {
		Endpoint  string  `json:"endpoint"`
		Requests  int64   `json:"requests"`
		ErrorRate float64 `json:"error_rate"`
		P50       float64 `json:"p50_ms"`
		P95       float64 `json:"p95_ms"`
		P99       float64 `json:"p99_ms"`
	} `json:"requests"`
	Alerts []alert.Alert `json:"alerts"`
}

var errUnhealthy = errors.New("something fails")

// healthCommand asks the health function of the running local system. It exits with 1 if something fails, and with
// --strict also if something warns.
func healthCommand(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("health", flag.ContinueOnError)
	asJSON, strict := flags.Bool("json", false, "print JSON"), flags.Bool("strict", false, "exit with 1 on warnings, too")
	if err := parse(flags, args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return errUsage("health takes no arguments")
	}
	result, err := invokeLocal(ctx, "health", []byte("{}"), io.Discard)
	if err != nil {
		return err
	}
	if result.FunctionError != "" {
		return fmt.Errorf("%w: %s", errFunction, result.Payload)
	}
	var d healthDetails
	if err := json.Unmarshal(result.Payload, &d); err != nil {
		return fmt.Errorf("read the answer of health: %w", err)
	}
	if *asJSON {
		err = printJSON(os.Stdout, json.RawMessage(result.Payload))
	} else {
		err = printHealth(os.Stdout, d, terminal.PainterFor(os.Stdout))
	}
	if err == nil && (d.Status == healthcheck.Fail || *strict && d.Status == healthcheck.Warn) {
		err = errUnhealthy
	}
	return err
}

var statusColours = map[healthcheck.Status]terminal.Colour{
	healthcheck.Pass: terminal.Good, healthcheck.Warn: terminal.Warn, healthcheck.Fail: terminal.Bad,
}

func printHealth(w io.Writer, d healthDetails, paint terminal.Painter) error {
	table := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "CHECK\tTOOK\tSTATUS\tSEEN")
	for _, name := range slices.Sorted(maps.Keys(d.Checks)) {
		for _, c := range d.Checks[name] {
			seen := c.Observed
			if c.Output != "" {
				seen = c.Output
			}
			fmt.Fprintf(table, "%s\t%.1f ms\t%s\t%s\n", name, c.DurationMS, paint.Paint(statusColours[c.Status], string(c.Status)), seen)
		}
	}
	if len(d.Requests) > 0 {
		fmt.Fprintln(table, "\nROUTE, 5 TO 10 MINUTES\tREQUESTS\tERRORS\tP50\tP95\tP99")
		for _, e := range d.Requests {
			fmt.Fprintf(table, "%s\t%d\t%.2f %%\t%.0f ms\t%.0f ms\t%.0f ms\n", e.Endpoint, e.Requests, 100*e.ErrorRate, e.P50, e.P95, e.P99)
		}
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, a := range d.Alerts {
		fmt.Fprintf(w, "\n%s %s", paint.Paint(levelColour(a), string(a.Level)+":"), a.Summary)
	}
	_, err := fmt.Fprintf(w, "\n%s\n", paint.Paint(statusColours[d.Status], string(d.Status)))
	return err
}
