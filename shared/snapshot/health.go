package snapshot

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

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
	Ready, Overdue Series
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
		into.Ready, into.Overdue = unknownSeries(), unknownSeries()
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
