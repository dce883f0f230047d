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
	"newsletter/shared/baseline"
	"newsletter/shared/capture"
	"newsletter/shared/engagement"
	"newsletter/shared/healthcheck"
	"newsletter/shared/lambdafn"
	"newsletter/shared/postgres"
	"newsletter/shared/statistics"
	"newsletter/shared/telemetry"
)

// watcher does what a ping does besides asking: it folds the request statistics, keeps a sample, and looks for trouble.
type watcher struct {
	db     *postgres.DB
	redis  redis.UniversalClient
	alerts *alert.Store
	speeds *baseline.Reader
	target time.Duration // alert.Config.LatencyMax
	seen   *figures
	lost   *lostDatabase
	now    func() time.Time
}

// details are what a direct invocation is told.
type details struct {
	healthcheck.Report
	Requests []endpoint    `json:"requests"`
	Alerts   []alert.Alert `json:"alerts"`
}

// look goes on from the report of the checks. What fails on the way is reported and holds up nothing else: the details
// then lack it. The metric of health comes last, and only when the owner would hear of trouble by now: an alarm watches for
// its absence.
func (w *watcher) look(ctx context.Context, report healthcheck.Report) details {
	d := details{Report: report, Requests: []endpoint{}, Alerts: []alert.Alert{}}
	err := w.watch(ctx, &d)
	w.unread(ctx, &d, "alerts", healthcheck.Fail, err)
	if err == nil {
		telemetry.Add(ctx, telemetry.Health, map[healthcheck.Status]float64{healthcheck.Warn: 1, healthcheck.Fail: 2}[d.Status])
	}
	return d
}

// watch fills in the details. Its error says that the owner hears nothing of what may be wrong.
//
// Whether the database is lost is decided by writing to it: one that was failed over to read-only, or whose disk is full,
// still answers.
func (w *watcher) watch(ctx context.Context, d *details) error {
	write := func(ctx context.Context) error { return w.sample(ctx, d.Report) }
	if err := write(ctx); errors.Is(err, postgres.ErrUnavailable) {
		wait := patience
		if statusOf(d.Report, "postgres") == healthcheck.Fail { // it was asked twice already
			wait = 0
		}
		switch verdict, err := w.lost.tell(ctx, wait, write); verdict {
		case unheard:
			return errors.Join(errUnheard, err)
		case told:
			d.Status = healthcheck.Fail
			w.tell(ctx, err)
			return nil
		case answers: // it was a blip
		}
	} else {
		w.tell(ctx, err)
	}
	reading, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	w.tell(ctx, w.lost.over(reading, w.alerts))
	w.tell(ctx, w.operators(ctx))
	folded := statistics.Fold(reading, w.redis, w.db, w.now())
	requests, err := recent(reading, w.db, w.now())
	w.unread(ctx, d, "statistics", healthcheck.Warn, errors.Join(folded, err))
	d.Requests = append(d.Requests, requests...)
	figures, err := w.figures(reading, d.Report)
	w.unread(ctx, d, "alerts", healthcheck.Warn, err) // the rest is judged
	changes, err := w.alerts.Evaluate(ctx, figures)
	if err != nil {
		return err
	}
	d.Alerts = append(d.Alerts, changes.Open...)
	w.measure(ctx, changes)
	return nil
}

var errUnheard = errors.New("the database is lost, and no channel takes the message")

// unread reports an error, if there is one, and adds it to the details as a check that has a status: whoever asks must not
// take what could not be read for good news.
func (w *watcher) unread(ctx context.Context, d *details, check string, status healthcheck.Status, err error) {
	w.tell(ctx, err)
	if err != nil {
		d.Report = d.With(check, healthcheck.Component{Status: status, Time: w.now().UTC(), Output: err.Error()})
	}
}

// tell reports an error, if there is one.
func (w *watcher) tell(ctx context.Context, err error) {
	if err != nil {
		capture.Error(ctx, err)
		lambdafn.Logger(ctx).ErrorContext(ctx, "health", "err", err)
	}
}

func statusOf(report healthcheck.Report, check string) healthcheck.Status {
	for _, c := range report.Checks[check] {
		return c.Status
	}
	return healthcheck.Pass
}

// ownRule are the checks whose failure has a rule of its own.
var ownRule = map[string]bool{"outbox": true, "redis": true, "limiter": true}

// failing returns the checks whose failure is to be told. Where that of PostgreSQL fails, the schema's version, which the same
// question was to tell, is not known.
func failing(report healthcheck.Report) []string {
	slow := statusOf(report, "postgres") == healthcheck.Fail
	var all []string
	for _, name := range slices.Sorted(maps.Keys(report.Checks)) {
		if statusOf(report, name) == healthcheck.Fail && !ownRule[name] && (name != "migrations" || !slow) {
			all = append(all, name)
		}
	}
	return all
}

// figures reads what the rules look at. It is good beside an error: it says what is not known.
func (w *watcher) figures(ctx context.Context, report healthcheck.Report) (alert.Figures, error) {
	f, err := w.alerts.Read(ctx)
	rates, failed := engagement.RatesSince(ctx, w.db, w.now().Add(-24*time.Hour))
	if failed != nil {
		f.Unknown, err = append(f.Unknown, alert.Bounces), errors.Join(err, failed)
	}
	f.Sent, f.Bounced = rates.Sent, rates.Bounces
	w.seen.mu.Lock()
	if heard := w.seen.feedback; w.seen.feedbackKnown {
		f.Unheard, f.UnheardFor, f.Unreadable = heard.WithoutEvents, w.now().Sub(heard.LastSent), heard.Unreadable
	} else {
		f.Unknown = append(f.Unknown, alert.FeedbackMissing, alert.FeedbackUnreadable) // the check says why
	}
	w.seen.mu.Unlock()
	speeds, failed := w.speeds.Assess(ctx)
	if failed != nil {
		f.Unknown, err = append(f.Unknown, alert.Slower, alert.Trend), errors.Join(err, failed)
	}
	for _, a := range speeds {
		e := alert.Endpoint{Name: a.Endpoint, Slower: a.Slower, P95: a.Slow.P95, UsualP95: a.Slow.Usual.Median}
		if a.Trend.Known {
			e.Days = a.Trend.Now
		}
		e.CrossesIn, e.Rising = a.Trend.Crosses(w.target)
		f.Endpoints = append(f.Endpoints, e)
	}
	f.Failing = failing(report)
	return f, err
}

const sampleSQL = `
insert into health_samples (at, status, measurements) values ($1::timestamptz, $2::text, $3::text::jsonb) on conflict (at) do nothing`

const (
	// sampleTimeout bounds a write that decides whether the database is lost.
	sampleTimeout = 2 * time.Second
	// readTimeout bounds all that is read before the rules are applied, so that they are, to what could be read.
	readTimeout = 10 * time.Second
)

// sample keeps what the checks found.
func (w *watcher) sample(ctx context.Context, report healthcheck.Report) error {
	ctx, cancel := context.WithTimeout(ctx, sampleTimeout)
	defer cancel()
	took := map[string]float64{}
	states := map[string]healthcheck.Status{}
	for name, components := range report.Checks {
		for _, c := range components {
			states[name], took[name] = c.Status, c.DurationMS
		}
	}
	w.seen.mu.Lock()
	figures := map[string]any{"limiter": w.seen.limiter, "memory_percent": w.seen.memory, "checks": states, "took_ms": took}
	if depth := w.seen.depth; w.seen.known {
		figures["outbox"] = map[string]any{"ready": depth.Ready, "held": depth.Held, "dead": depth.Dead, "overdue_s": depth.OldestDue.Seconds()}
	}
	text, err := json.Marshal(figures)
	w.seen.mu.Unlock()
	if err != nil {
		return err
	}
	err = w.db.Batch(ctx, func(b *pgx.Batch) { b.Queue(sampleSQL, w.now(), string(report.Status), string(text)) })
	if err != nil {
		return fmt.Errorf("keep a sample: %w", err)
	}
	return nil
}

// measure writes the metrics of the whole, and what changed into the log.
func (w *watcher) measure(ctx context.Context, changes alert.Changes) {
	w.seen.mu.Lock()
	if w.seen.known {
		telemetry.Add(ctx, telemetry.OutboxReady, float64(w.seen.depth.Ready))
		telemetry.Add(ctx, telemetry.OutboxHeld, float64(w.seen.depth.Held))
		telemetry.Add(ctx, telemetry.OutboxDeadLetters, float64(w.seen.depth.Dead))
		telemetry.Add(ctx, telemetry.OutboxAge, w.seen.depth.OldestDue.Seconds())
	}
	w.seen.mu.Unlock()
	telemetry.Add(ctx, telemetry.AlertsFiring, float64(len(changes.Open)))
	for _, a := range changes.Opened {
		telemetry.Add(ctx, telemetry.AlertsFired, 1, string(a.Rule))
		lambdafn.Logger(ctx).ErrorContext(ctx, "alert", "rule", string(a.Rule), "subject", a.Subject, "summary", a.Summary)
	}
	lambdafn.Note(ctx, slog.Int("alerts_open", len(changes.Open)))
}
