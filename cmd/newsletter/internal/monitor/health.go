package monitor

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/cmd/newsletter/internal/terminal"
	"newsletter/shared/healthcheck"
)

// Health is the last sample of the health function.
type Health struct {
	At      time.Time // zero: it has never run
	Status  healthcheck.Status
	Checks  map[string]healthcheck.Status
	TookMS  map[string]float64
	Limiter string  // the backend: "redis", "memory", "local", or "none" without Redis
	Memory  float64 // percent of the function's
	Every   time.Duration
	// Ready is the maximum of ready messages in the outbox, Overdue that of the longest wait in seconds.
	Ready, Overdue series
}

const (
	maxSamples = 10
	// silentAfter is the age of the last sample from which on health is silent, or three of its intervals if that is
	// longer, as for the CloudWatch alarm HealthSilence.
	silentAfter = 5 * time.Minute
)

// Silent reports whether the last sample is too old.
func (h Health) Silent(now time.Time) bool { return now.Sub(h.At) > max(silentAfter, 3*h.Every) }

// Status returns the status of the last sample, or Fail if health is silent, because the status is then unknown.
func (s Snapshot) Status(now time.Time) healthcheck.Status {
	if s.Health.Silent(now) {
		return healthcheck.Fail
	}
	return s.Health.Status
}

const samplesSQL = `select at, status, measurements from health_samples order by at desc limit $1::integer`

const outboxHistorySQL = `
select floor(extract(epoch from at - $1::timestamptz) / 300)::integer, max((measurements #>> '{outbox,ready}')::float8), max((measurements #>> '{outbox,overdue_s}')::float8)
from health_samples where at >= $1::timestamptz and at <= $2::timestamptz group by 1`

func readHealth(b *pgx.Batch, w window, into *Health) {
	b.Queue(samplesSQL, maxSamples).Query(func(rows pgx.Rows) error {
		*into = Health{}
		var at time.Time
		var status string
		var figures []byte
		var pauses []time.Duration
		var last time.Time
		_, err := pgx.ForEachRow(rows, []any{&at, &status, &figures}, func() error {
			if last.IsZero() {
				last = at
				return into.read(at, status, figures)
			}
			pauses = append(pauses, last.Sub(at))
			last = at
			return nil
		})
		if slices.Sort(pauses); len(pauses) > 0 {
			into.Every = pauses[(len(pauses)-1)/2]
		}
		return err
	})
	b.Queue(outboxHistorySQL, w.from, w.now).Query(func(rows pgx.Rows) error {
		into.Ready, into.Overdue = newSeries(), newSeries()
		var slot int
		var ready, overdue *float64
		_, err := pgx.ForEachRow(rows, []any{&slot, &ready, &overdue}, func() error {
			if ready != nil && overdue != nil {
				into.Ready.set(slot, *ready)
				into.Overdue.set(slot, math.Floor(*overdue)) // a message that is just being claimed does not wait
			}
			return nil
		})
		return err
	})
}

func (h *Health) read(at time.Time, status string, figures []byte) error {
	var f struct {
		Limiter string                        `json:"limiter"`
		Memory  float64                       `json:"memory_percent"`
		Checks  map[string]healthcheck.Status `json:"checks"`
		TookMS  map[string]float64            `json:"took_ms"`
	}
	if err := json.Unmarshal(figures, &f); err != nil {
		return fmt.Errorf("parse a health sample: %w", err)
	}
	*h = Health{At: at, Status: healthcheck.Status(status), Checks: f.Checks, TookMS: f.TookMS, Limiter: f.Limiter, Memory: f.Memory}
	return nil
}

func newSeries() (s series) {
	for i := range s {
		s[i] = math.NaN()
	}
	return s
}

// line returns the status and its age.
func (h Health) line(v View) string {
	ago := terminal.FormatAge(v.Now.Sub(h.At))
	switch {
	case h.At.IsZero():
		return v.Paint.Paint(terminal.Bad, "UNKNOWN") + "  health has never run; check its schedule"
	case h.Silent(v.Now):
		text := v.Paint.Paint(terminal.Bad, "SILENT") + "  health has not run for " + ago
		if h.Every > 0 {
			text += ", usually every " + terminal.FormatAge(h.Every)
		}
		return text
	}
	return v.Paint.Paint(terminal.StatusColor(h.Status), strings.ToUpper(string(h.Status))) + "  health ran " + ago + " ago"
}

// section returns the status and the checks, those that do not pass first.
func (h Health) section(v View) []string {
	var items []string
	for _, status := range []healthcheck.Status{healthcheck.Fail, healthcheck.Warn, healthcheck.Pass} {
		for _, name := range slices.Sorted(maps.Keys(h.Checks)) {
			if h.Checks[name] == status {
				items = append(items, h.item(v, name))
			}
		}
	}
	return append([]string{h.line(v)}, terminal.Flow(items, v.Width)...)
}

func (h Health) item(v View, name string) string {
	status := h.Checks[name]
	text := name
	switch {
	case name == "limiter" && h.Limiter != "":
		text += " (" + h.Limiter + ")"
	case name == "memory" && h.Memory > 0:
		text += fmt.Sprintf(" (%.0f %%)", h.Memory)
	case v.wide():
		text += fmt.Sprintf(" (%.1f ms)", h.TookMS[name])
	}
	if status != healthcheck.Pass { // colors may be off
		text += " " + strings.ToUpper(string(status))
	}
	return v.Paint.Paint(terminal.StatusColor(status), text)
}
