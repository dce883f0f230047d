package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"newsletter/shared/email"
	"newsletter/shared/engagement"
	"newsletter/shared/lambdafn"
	"newsletter/shared/outbox"
)

// The numbers of the sending circuit breaker are explained in docs/adr/0032.
const (
	// breakerWindow is the period in which bounces and complaints are counted.
	breakerWindow = 24 * time.Hour
	// openFor is how long a breaker is open for the first time; each further time twice as long, up to openMax.
	openFor, openMax = time.Hour, 8 * time.Hour
	// trickleFor is how long the trickle must cause fewer than trickleReports reports, from its first email on, before
	// the breaker closes. A breaker whose trickle sends nothing closes after breakerWindow.
	trickleFor     = time.Hour
	trickleReports = 2
	// A domain or a network is stopped first, by itself: when it caused narrowMin reports, and these are at least
	// narrowPercent of its emails or requests.
	narrowMin     = 5
	narrowPercent = 20
)

// checkBreaker moves the sending circuit breakers. They stop email to unproven mailboxes, because bounces and complaints
// damage the reputation of the owner's account, and Amazon suspends accounts for them. They never stop email to proven
// mailboxes, or links that a subscriber asked for: anybody can make a form bounce.
func (r *run) checkBreaker(ctx context.Context) {
	if err := r.moveBreakers(ctx); err != nil {
		r.report(ctx, err)
	}
}

func (r *run) moveBreakers(ctx context.Context) error {
	now := r.now()
	breakers, err := r.queue.ListBreakers(ctx)
	if err != nil {
		return err
	}
	reports, err := engagement.ReportsSince(ctx, r.db, now.Add(-breakerWindow))
	if err != nil || len(reports.Reports) == 0 && len(breakers) == 0 {
		return err
	}
	totals := map[outbox.Scope]int{}
	for _, scope := range suspects(breakers, reports) {
		if totals[scope], err = engagement.Total(ctx, r.db, scope, now.Add(-breakerWindow)); err != nil {
			return err
		}
	}
	changed := decideBreakers(r.config.BreakerConfig, now, breakers, reports, totals)
	if len(changed) == 0 {
		return nil
	}
	if err := r.queue.SaveBreakers(ctx, changed...); err != nil {
		return err
	}
	for _, k := range changed {
		if k.Closed() {
			lambdafn.Logger(ctx).InfoContext(ctx, "sending circuit breaker closed", "reason", k.Reason)
			continue
		}
		lambdafn.Logger(ctx).ErrorContext(ctx, "sending circuit breaker opened", "reason", k.Reason, "all", k.IsAll(), "half_open_at", k.HalfOpenAt, "openings", k.Openings)
		r.report(ctx, fmt.Errorf("email to unproven mailboxes is stopped because of %s: %w", k.Reason, errBreakerOpen))
	}
	return nil
}

var errBreakerOpen = errors.New("see `newsletter destination list`")

// covers reports whether a breaker of scope b stops an email of scope s.
func covers(b, s outbox.Scope) bool {
	return b.IsAll() || b.Domain != "" && b.Domain == s.Domain || b.Network != "" && b.Network == s.Network
}

// narrow returns the domain and the network of a report as scopes of their own.
func narrow(r engagement.Report) []outbox.Scope {
	var all []outbox.Scope
	if r.Scope.Domain != "" {
		all = append(all, outbox.Scope{Domain: r.Scope.Domain})
	}
	if r.Scope.Network != "" {
		all = append(all, outbox.Scope{Network: r.Scope.Network})
	}
	return all
}

// breakerOf returns the breaker of a scope; the zero Breaker, which never opened, if there is none.
func breakerOf(breakers []outbox.Breaker, s outbox.Scope) (outbox.Breaker, bool) {
	i := slices.IndexFunc(breakers, func(b outbox.Breaker) bool { return b.Scope == s })
	if i < 0 {
		return outbox.Breaker{Scope: s}, false
	}
	return breakers[i], true
}

// countNarrow counts the reports of each domain and network whose breaker is closed, since it closed.
func countNarrow(breakers []outbox.Breaker, reports engagement.Reports) map[outbox.Scope]int {
	counts := map[outbox.Scope]int{}
	for _, report := range reports.Reports {
		for _, scope := range narrow(report) {
			if b, known := breakerOf(breakers, scope); !known || !answered(b, report) {
				counts[scope]++
			}
		}
	}
	return counts
}

// suspects returns the domains and networks with enough reports to be stopped, if these are enough of their emails.
func suspects(breakers []outbox.Breaker, reports engagement.Reports) []outbox.Scope {
	counts := countNarrow(breakers, reports)
	maps.DeleteFunc(counts, func(_ outbox.Scope, n int) bool { return n < narrowMin })
	return slices.SortedFunc(maps.Keys(counts), func(a, b outbox.Scope) int {
		return cmp.Or(cmp.Compare(a.Domain, b.Domain), cmp.Compare(a.Network, b.Network))
	})
}

// decideBreakers returns the breakers that open, open again or close. totals has the emails or requests of the suspects.
// It is a pure function.
func decideBreakers(c email.BreakerConfig, now time.Time, breakers []outbox.Breaker, reports engagement.Reports, totals map[outbox.Scope]int) []outbox.Breaker {
	var changed []outbox.Breaker
	for _, b := range breakers {
		if next := afterTrickle(now, b, reports); next != b {
			changed = append(changed, next)
		}
	}
	acted := slices.Clone(breakers)
	counts := countNarrow(breakers, reports)
	for _, scope := range suspects(breakers, reports) {
		if 100*counts[scope] < narrowPercent*totals[scope] {
			continue
		}
		before, _ := breakerOf(breakers, scope)
		next := opened(now, before, mainReason(scope, reports))
		changed, acted = append(changed, next), append(acted, next)
	}
	all, known := breakerOf(breakers, outbox.Scope{})
	if known && !all.Closed() {
		return changed
	}
	bounces, complaints := 0, 0
	for _, report := range reports.Reports {
		switch {
		case slices.ContainsFunc(acted, func(b outbox.Breaker) bool { return answered(b, report) }):
		case report.Complaint:
			complaints++
		default:
			bounces++
		}
	}
	switch {
	case bounces >= c.BouncesMin && 100*float64(bounces) >= c.BouncePercent*float64(reports.Sent):
		changed = append(changed, opened(now, all, "bounces"))
	case complaints >= c.ComplaintsMin && 100*float64(complaints) >= c.ComplaintPercent*float64(reports.Sent):
		changed = append(changed, opened(now, all, "complaints"))
	}
	return changed
}

// answered reports whether a breaker has been opened for a report, and is still open or was closed after its email.
func answered(b outbox.Breaker, r engagement.Report) bool {
	return covers(b.Scope, r.Scope) && (!b.Closed() || !r.SentAt.After(b.ClosedAt))
}

// afterTrickle returns a half-open breaker as its trickle leaves it: unchanged, open again, or closed.
func afterTrickle(now time.Time, b outbox.Breaker, reports engagement.Reports) outbox.Breaker {
	if b.Closed() || now.Before(b.HalfOpenAt) {
		return b
	}
	caused := 0
	for _, report := range reports.Reports {
		if covers(b.Scope, report.Scope) && report.SentAt.After(b.HalfOpenAt) {
			caused++
		}
	}
	switch {
	case caused >= trickleReports:
		return opened(now, b, b.Reason)
	case !b.FirstSent.IsZero() && now.Sub(b.FirstSent) >= trickleFor, now.Sub(b.HalfOpenAt) >= breakerWindow:
		b.ClosedAt = now
	}
	return b
}

// opened returns a breaker after one more opening.
func opened(now time.Time, b outbox.Breaker, reason string) outbox.Breaker {
	longer := min(openFor<<min(b.Openings, 8), openMax)
	return outbox.Breaker{Scope: b.Scope, Reason: reason, OpenedAt: now, HalfOpenAt: now.Add(longer), Openings: b.Openings + 1}
}

// mainReason returns what most reports of a scope are.
func mainReason(s outbox.Scope, reports engagement.Reports) string {
	complaints, all := 0, 0
	for _, report := range reports.Reports {
		if covers(s, report.Scope) {
			all++
			if report.Complaint {
				complaints++
			}
		}
	}
	if 2*complaints > all {
		return "complaints"
	}
	return "bounces"
}
