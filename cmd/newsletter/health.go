package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"newsletter/cmd/newsletter/internal/terminal"
	"newsletter/shared/healthcheck"
)

// errUnhealthy returns the error for a status that is not pass.
func errUnhealthy(s healthcheck.Status) error { return fmt.Errorf("unhealthy: status %q", s) }

// healthCommand invokes the health function, of the stack or of the running local system.
func (o *operator) healthCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "health", Short: "Run the checks of the health function",
		Long: "Run the checks of the health function. Exits with 1 if a check fails, with --strict also if one warns.", Args: takes(0, "no arguments"),
	}
	asJSON, strict := jsonFlag(c), c.Flags().Bool("strict", false, "exit with 1 also on a warning")
	c.RunE = func(c *cobra.Command, _ []string) error {
		payload, err := o.functions.invoke(c.Context(), "health", []byte("{}"))
		if err != nil {
			return err
		}
		return showHealth(payload, *asJSON, *strict)
	}
	return c
}

func showHealth(payload []byte, asJSON, strict bool) (err error) {
	var d healthcheck.Details
	if json.Unmarshal(payload, &d) != nil || terminal.StatusColor(d.Status) == terminal.Plain {
		return errors.New("not a response of the health function; check --stack")
	}
	if asJSON {
		err = printJSON(stdout, json.RawMessage(payload))
	} else {
		err = printHealth(stdout, d, terminal.PainterFor(os.Stdout))
	}
	if err == nil && (d.Status == healthcheck.Fail || strict && d.Status == healthcheck.Warn) {
		err = errUnhealthy(d.Status)
	}
	return err
}

func printHealth(w io.Writer, d healthcheck.Details, paint terminal.Painter) error {
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
		for _, r := range d.Requests {
			failed := int64(math.Round(r.ErrorRate * float64(r.Requests)))
			rows = append(rows, []string{r.Name, strconv.FormatInt(r.Requests, 10), terminal.FormatPercent(failed, r.Requests),
				milliseconds(r.P50), milliseconds(r.P95), milliseconds(r.P99), strconv.FormatInt(r.ColdStarts, 10)})
		}
		lines = append(append(lines, ""), terminal.Columns("lrrrrrr", rows...)...)
	}
	lines = append(lines, "")
	for _, a := range d.Alerts {
		lines = append(lines, paint.Paint(terminal.SeverityColor(a.Severity), string(a.Severity)+":")+" "+a.Summary)
	}
	lines = append(lines, paint.Paint(terminal.StatusColor(d.Status), string(d.Status)))
	_, err := fmt.Fprintln(w, strings.Join(lines, "\n"))
	return err
}

func milliseconds(ms float64) string {
	return terminal.FormatDuration(time.Duration(ms * float64(time.Millisecond)))
}
