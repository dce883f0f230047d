package alert

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"
)

// An Alert is one problem, from the evaluation that found it until it resolves.
type Alert struct {
	ID          uuid.UUID  `json:"id"`
	Rule        Rule       `json:"rule"`
	Subject     string     `json:"subject,omitempty"`
	Severity    Severity   `json:"severity"`
	Summary     string     `json:"summary"` // of the last finding
	FiringSince time.Time  `json:"firing_since"`
	LastFoundAt time.Time  `json:"last_found_at"`
	RepeatedAt  *time.Time `json:"repeated_at,omitempty"`
	ResolvedAt  *time.Time `json:"resolved_at,omitempty"`
}

// is reports whether an alert is about the problem of a finding.
func (a Alert) is(f Finding) bool { return a.Rule == f.Rule && a.Subject == f.Subject }

// notifiedAt returns when the owner was last notified that the alert is firing.
func (a Alert) notifiedAt() time.Time {
	if a.RepeatedAt != nil {
		return *a.RepeatedAt
	}
	return a.FiringSince
}

// A Transition is an alert after an evaluation, and the notification that is due.
type Transition struct {
	Alert
	Notify Stage
}

// Transitions are those of one evaluation.
type Transitions []Transition

// Firing returns the alerts that are firing after the evaluation.
func (t Transitions) Firing() (all []Alert) {
	for _, next := range t {
		if next.ResolvedAt == nil {
			all = append(all, next.Alert)
		}
	}
	return all
}

// Reached returns the alerts that reached a stage in the evaluation.
func (t Transitions) Reached(stage Stage) (all []Alert) {
	for _, next := range t {
		if next.Notify == stage {
			all = append(all, next.Alert)
		}
	}
	return all
}

// Advance returns the state of each alert after an evaluation: of those that were firing, and of those that the
// findings begin, which have no ID yet. It is a pure function.
func (c Config) Advance(firing []Alert, found []Finding, unknown []Rule, now time.Time) (all Transitions) {
	for _, a := range firing {
		i := slices.IndexFunc(found, a.is)
		switch {
		case i >= 0:
			all = append(all, c.foundAgain(a, found[i], now))
		case slices.Contains(unknown, a.Rule): // it may still be there
			a.LastFoundAt = now
			all = append(all, Transition{a, None})
		case now.Sub(a.LastFoundAt) >= c.ResolveAfter:
			a.ResolvedAt = &now
			all = append(all, Transition{a, Resolved})
		default:
			all = append(all, Transition{a, None})
		}
	}
	for _, f := range found {
		if !slices.ContainsFunc(firing, func(a Alert) bool { return a.is(f) }) {
			all = append(all, Transition{Alert{
				Rule: f.Rule, Subject: f.Subject, Severity: f.Severity, Summary: f.Summary, FiringSince: now, LastFoundAt: now,
			}, Firing})
		}
	}
	return all
}

// foundAgain returns a firing alert that was found again. It stays critical, so that a problem around a threshold does
// not notify again and again.
func (c Config) foundAgain(a Alert, f Finding, now time.Time) Transition {
	escalated := f.Severity == Critical && a.Severity == Warning
	repeat := escalated || now.Sub(a.notifiedAt()) >= c.repeatInterval(a.Rule)
	a.Summary, a.LastFoundAt = f.Summary, now
	if escalated {
		a.Severity = Critical
	}
	if !repeat {
		return Transition{a, None}
	}
	a.RepeatedAt = &now
	return Transition{a, Repeated}
}

// repeatInterval returns the time between two notifications of an alert that is firing. Bots fill in honeypots all the
// time, so those are one notification a day.
func (c Config) repeatInterval(r Rule) time.Duration {
	if r == Flagged {
		return max(c.RepeatInterval, 24*time.Hour)
	}
	return c.RepeatInterval
}

// storage keeps the alerts that are firing.
type storage interface {
	// Update saves what advance returns of the firing alerts, together with the notifications that are due. Updates are
	// serialized; advance may be called again after a conflict.
	Update(ctx context.Context, advance func(firing []Alert) Transitions) error
}

// evaluate advances the alerts of a storage.
func (c Config) evaluate(ctx context.Context, s storage, found []Finding, unknown []Rule, now func() time.Time) (all Transitions, err error) {
	err = s.Update(ctx, func(firing []Alert) Transitions {
		// The clock is read when it is this update's turn, so that time does not run backwards between updates. It is
		// as precise as PostgreSQL's.
		all = c.Advance(firing, found, unknown, now().UTC().Truncate(time.Microsecond))
		for i := range all {
			if all[i].ID == uuid.Nil {
				all[i].ID = uuid.Must(uuid.NewV7())
			}
		}
		return all
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}
