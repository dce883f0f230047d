package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"newsletter/shared/alert"
	"newsletter/shared/capture"
	"newsletter/shared/engagement"
	"newsletter/shared/healthcheck"
	"newsletter/shared/lambdafn"
	"newsletter/shared/postgres"
	"newsletter/shared/requeststats"
	"newsletter/shared/telemetry"
)

// watcher does what a run does after the checks: it folds the request statistics, stores a sample, and evaluates the
// alerts.
type watcher struct {
	db         *postgres.DB
	redis      redis.UniversalClient
	alerts     *alert.Store
	latency    *requeststats.Reader
	latencyMax time.Duration
	seen       *observed
	lost       *lostDatabase
	now        func() time.Time
}

// run continues after the checks. A failed step is logged and added to the details, and stops no other step. The metric
// Health is written last, and only if the owner would be notified of a problem: a CloudWatch alarm watches for its
// absence.
func (w *watcher) run(ctx context.Context, report healthcheck.Report) healthcheck.Details {
	d := healthcheck.Details{Report: report, Requests: []healthcheck.Route{}, Alerts: []alert.Alert{}}
	err := w.evaluate(ctx, &d)
	w.addFailure(ctx, &d, "alerts", healthcheck.Fail, err)
	if err == nil {
		telemetry.Add(ctx, telemetry.Health, map[healthcheck.Status]float64{healthcheck.Warn: 1, healthcheck.Fail: 2}[d.Status])
	}
	return d
}

// evaluate fills in the details. Its error means that the owner is not notified of problems.
//
// A write decides whether the database is lost, because one that is read-only after a failover, or whose disk is full,
// still answers.
func (w *watcher) evaluate(ctx context.Context, d *healthcheck.Details) error {
	write := func(ctx context.Context) error { return w.storeSample(ctx, d.Report) }
	if err := write(ctx); errors.Is(err, postgres.ErrUnavailable) {
		delay := recheckDelay
		if d.StatusOf("postgres") == healthcheck.Fail { // confirmedReport has waited
			delay = 0
		}
		switch state, err := w.lost.notify(ctx, delay, write); state {
		case unnotified:
			return errors.Join(errUnnotified, err)
		case notified:
			d.Status = healthcheck.Fail
			logError(ctx, err)
			return nil
		case available: // the loss was too short
		}
	} else {
		logError(ctx, err)
	}
	reading, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	logError(ctx, w.lost.resolve(reading))
	logError(ctx, w.logOperatorActions(ctx))
	folded := requeststats.Fold(reading, w.redis, w.db, w.now())
	requests, err := recentRequests(reading, w.db, w.now())
	w.addFailure(ctx, d, "statistics", healthcheck.Warn, errors.Join(folded, err))
	d.Requests = append(d.Requests, requests...)
	measurements, err := w.measure(reading, d.Report)
	w.addFailure(ctx, d, "alerts", healthcheck.Warn, err) // the other measurements are evaluated
	transitions, err := w.alerts.Evaluate(ctx, measurements)
	if err != nil {
		return err
	}
	d.Alerts = append(d.Alerts, transitions.Firing()...)
	cleaned := int64(0)
	for _, page := range measurements.Pages {
		cleaned += page.Cleaned
	}
	telemetry.Add(ctx, telemetry.CleanedRequests, float64(cleaned))
	w.publish(ctx, transitions)
	return nil
}

var errUnnotified = errors.New("the database is lost, and no destination accepts the notification")

// addFailure logs an error, if there is one, and adds it to the details as a check with a status, so that incomplete
// details do not look healthy.
func (w *watcher) addFailure(ctx context.Context, d *healthcheck.Details, check string, status healthcheck.Status, err error) {
	logError(ctx, err)
	if err != nil {
		d.Report = d.With(check, healthcheck.Component{Status: status, Time: w.now().UTC(), Output: err.Error()})
	}
}

// logError logs and captures an error, if there is one.
func logError(ctx context.Context, err error) {
	if err != nil {
		capture.Error(ctx, err)
		lambdafn.Logger(ctx).ErrorContext(ctx, "health evaluation failed", "err", err)
	}
}

// ownRule are the checks whose failure has a rule of its own.
var ownRule = map[string]bool{"outbox": true, "redis": true, "limiter": true}

// failedChecks returns the failed checks that have no rule of their own. If the check of PostgreSQL fails, that of the
// migrations is unknown, because both depend on the same query.
func failedChecks(report healthcheck.Report) []string {
	unknown := report.StatusOf("postgres") == healthcheck.Fail
	var all []string
	for _, name := range slices.Sorted(maps.Keys(report.Checks)) {
		if report.StatusOf(name) == healthcheck.Fail && !ownRule[name] && (name != "migrations" || !unknown) {
			all = append(all, name)
		}
	}
	return all
}

// measure reads what the rules evaluate. The measurements are valid in spite of an error: they list what is unknown.
func (w *watcher) measure(ctx context.Context, report healthcheck.Report) (alert.Measurements, error) {
	m, err := w.alerts.Measure(ctx)
	rates, failed := engagement.RatesSince(ctx, w.db, w.now().Add(-24*time.Hour))
	if failed != nil {
		m.Unknown, err = append(m.Unknown, alert.Bounces), errors.Join(err, failed)
	}
	m.Sent, m.Bounced = rates.Sent, rates.Bounces
	w.seen.set(func(o *observed) {
		if f := o.feedback; o.feedbackKnown {
			m.WithoutEvents, m.SinceLastSent, m.Unreadable = f.WithoutEvents, w.now().Sub(f.LastSent), f.Unreadable
		} else {
			m.Unknown = append(m.Unknown, alert.FeedbackMissing, alert.FeedbackUnreadable) // the check has the cause
		}
	})
	routes, failed := w.latency.Assess(ctx)
	if failed != nil {
		m.Unknown, err = append(m.Unknown, alert.Slower, alert.Trend), errors.Join(err, failed)
	}
	for _, a := range routes {
		r := alert.Route{Name: a.Endpoint, Slower: a.Slower, P95: a.Slow.P95, UsualP95: a.Slow.Usual.Median}
		if a.Trend.Known {
			r.DailyP95 = a.Trend.Now
		}
		r.CrossesIn, r.Rising = a.Trend.Crosses(w.latencyMax)
		m.Routes = append(m.Routes, r)
	}
	m.FailedChecks = failedChecks(report)
	return m, err
}

const sampleSQL = `
insert into health_samples (at, status, measurements) values ($1::timestamptz, $2::text, $3::text::jsonb) on conflict (at) do nothing`

const (
	// sampleTimeout bounds a write that decides whether the database is lost.
	sampleTimeout = 2 * time.Second
	// readTimeout bounds all reads before the rules, so that the rules are applied to what could be read.
	readTimeout = 10 * time.Second
)

// storeSample stores the results of the checks.
func (w *watcher) storeSample(ctx context.Context, report healthcheck.Report) error {
	ctx, cancel := context.WithTimeout(ctx, sampleTimeout)
	defer cancel()
	took := map[string]float64{}
	statuses := map[string]healthcheck.Status{}
	for name, components := range report.Checks {
		for _, c := range components {
			statuses[name], took[name] = c.Status, c.DurationMS
		}
	}
	sample := map[string]any{"checks": statuses, "took_ms": took}
	w.seen.set(func(o *observed) {
		sample["limiter"], sample["memory_percent"] = o.limiter, o.memoryPercent
		if d := o.depth; o.depthKnown {
			sample["outbox"] = map[string]any{"ready": d.Ready, "held": d.Held, "dead": d.Dead, "overdue_s": d.OldestDue.Seconds()}
		}
	})
	text, err := json.Marshal(sample)
	if err != nil {
		return err
	}
	err = w.db.Batch(ctx, func(b *pgx.Batch) { b.Queue(sampleSQL, w.now(), string(report.Status), string(text)) })
	if err != nil {
		return fmt.Errorf("store a health sample: %w", err)
	}
	return nil
}

// publish writes the metrics of the run, and logs the alerts that began to fire.
func (w *watcher) publish(ctx context.Context, transitions alert.Transitions) {
	w.seen.set(func(o *observed) {
		if o.depthKnown {
			telemetry.Add(ctx, telemetry.OutboxReady, float64(o.depth.Ready))
			telemetry.Add(ctx, telemetry.OutboxHeld, float64(o.depth.Held))
			telemetry.Add(ctx, telemetry.OutboxDeadLetters, float64(o.depth.Dead))
			telemetry.Add(ctx, telemetry.OutboxAge, o.depth.OldestDue.Seconds())
		}
	})
	firing := len(transitions.Firing())
	telemetry.Add(ctx, telemetry.AlertsFiring, float64(firing))
	logFired(ctx, transitions)
	lambdafn.Note(ctx, slog.Int("alerts_firing", firing))
}

// logFired counts and logs the alerts that began to fire.
func logFired(ctx context.Context, transitions alert.Transitions) {
	for _, a := range transitions.Reached(alert.Firing) {
		telemetry.Add(ctx, telemetry.AlertsFired, 1, string(a.Rule))
		lambdafn.Logger(ctx).ErrorContext(ctx, "alert fired", "rule", string(a.Rule), "subject", a.Subject, "summary", a.Summary)
	}
}
