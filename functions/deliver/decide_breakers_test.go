package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"newsletter/shared/email"
	"newsletter/shared/engagement"
	"newsletter/shared/outbox"
)

// The decision as a table: what opens, opens again and closes.
func TestDecideBreakers(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	cfg := email.BreakerConfig{BouncePercent: 5, ComplaintPercent: 0.1, BouncesMin: 10, ComplaintsMin: 5}
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	reports := func(n int, complaint bool, scope outbox.Scope, sent time.Duration) (all []engagement.Report) {
		for range n {
			all = append(all, engagement.Report{Complaint: complaint, SentAt: ago(sent), Scope: scope})
		}
		return all
	}
	domain, network := outbox.Scope{Domain: "aa"}, outbox.Scope{Network: "192.0.2.0/24"}
	open := func(s outbox.Scope, openings int, halfOpen, first time.Duration) outbox.Breaker {
		b := outbox.Breaker{Scope: s, Reason: "bounces", OpenedAt: ago(9 * time.Hour), HalfOpenAt: ago(halfOpen), Openings: openings}
		if first > 0 {
			b.FirstSent = ago(first)
		}
		return b
	}
	closed := func(s outbox.Scope, openings int, at time.Duration) outbox.Breaker {
		b := open(s, openings, at+time.Hour, 0)
		b.ClosedAt = ago(at)
		return b
	}
	for name, test := range map[string]struct {
		breakers []outbox.Breaker
		sent     int
		reports  []engagement.Report
		total    int
		want     string // scope, openings, hours until half-open; or closed
	}{
		"nine bounces":                       {nil, 9, reports(9, false, outbox.Scope{}, time.Hour), 0, ""},
		"ten of 200":                         {nil, 200, reports(10, false, outbox.Scope{}, time.Hour), 0, "all 1 1h"},
		"ten of 201":                         {nil, 201, reports(10, false, outbox.Scope{}, time.Hour), 0, ""},
		"five complaints of 5000":            {nil, 5000, reports(5, true, outbox.Scope{}, time.Hour), 0, "all 1 1h"},
		"four complaints":                    {nil, 40, reports(4, true, outbox.Scope{}, time.Hour), 0, ""},
		"a domain's bounces":                 {nil, 100, reports(50, false, domain, time.Hour), 50, "domain 1 1h"},
		"four of a domain":                   {nil, 100, reports(4, false, domain, time.Hour), 4, ""},
		"few of a domain's emails":           {nil, 1000, reports(9, false, domain, time.Hour), 46, ""},
		"few of them, but many of all":       {nil, 100, reports(11, false, domain, time.Hour), 60, "all 1 1h"},
		"a network's complaints":             {nil, 100, reports(5, true, network, time.Hour), 5, "network 1 1h"},
		"open":                               {[]outbox.Breaker{open(outbox.Scope{}, 1, -time.Minute, 0)}, 10, reports(10, false, outbox.Scope{}, time.Hour), 0, ""},
		"half-open, no report":               {[]outbox.Breaker{open(outbox.Scope{}, 1, 59*time.Minute, 59*time.Minute)}, 10, reports(10, false, outbox.Scope{}, 2*time.Hour), 0, ""},
		"half-open, one bounce":              {[]outbox.Breaker{open(outbox.Scope{}, 1, 2*time.Hour, 30*time.Minute)}, 10, reports(1, false, outbox.Scope{}, time.Minute), 0, ""},
		"half-open, two bounces":             {[]outbox.Breaker{open(outbox.Scope{}, 1, 2*time.Hour, 30*time.Minute)}, 10, reports(2, false, outbox.Scope{}, time.Minute), 0, "all 2 2h"},
		"a fifth time":                       {[]outbox.Breaker{open(outbox.Scope{}, 4, 2*time.Hour, 30*time.Minute)}, 10, reports(2, false, outbox.Scope{}, time.Minute), 0, "all 5 8h"},
		"a hundredth time":                   {[]outbox.Breaker{open(outbox.Scope{}, 99, 2*time.Hour, 30*time.Minute)}, 10, reports(2, false, outbox.Scope{}, time.Minute), 0, "all 100 8h"},
		"an hour of trickle":                 {[]outbox.Breaker{open(outbox.Scope{}, 1, 3*time.Hour, time.Hour)}, 10, reports(10, false, outbox.Scope{}, 5*time.Hour), 0, "all closed"},
		"nothing to send for long":           {[]outbox.Breaker{open(outbox.Scope{}, 1, 23*time.Hour, 0)}, 0, nil, 0, ""},
		"nothing to send for a day":          {[]outbox.Breaker{open(outbox.Scope{}, 1, 24*time.Hour, 0)}, 0, nil, 0, "all closed"},
		"earlier bounces after closing":      {[]outbox.Breaker{closed(outbox.Scope{}, 2, time.Hour)}, 10, reports(10, false, outbox.Scope{}, time.Hour), 0, ""},
		"bounces after closing":              {[]outbox.Breaker{closed(outbox.Scope{}, 2, time.Hour)}, 10, reports(10, false, outbox.Scope{}, time.Minute), 0, "all 3 4h"},
		"a closed domain's earlier bounces":  {[]outbox.Breaker{closed(domain, 1, time.Hour)}, 50, reports(50, false, domain, 2*time.Hour), 50, ""},
		"other bounces beside a domain's":    {[]outbox.Breaker{open(domain, 1, -time.Minute, 0)}, 60, append(reports(50, false, domain, time.Hour), reports(10, false, network, time.Hour)...), 1000, "all 1 1h"},
		"a domain's are not counted for all": {[]outbox.Breaker{open(domain, 1, -time.Minute, 0)}, 60, append(reports(50, false, domain, time.Hour), reports(9, false, outbox.Scope{}, time.Hour)...), 50, ""},
	} {
		r := engagement.Reports{Sent: test.sent, Reports: test.reports}
		totals := map[outbox.Scope]int{}
		for _, scope := range suspects(test.breakers, r) {
			totals[scope] = test.total
		}
		var got []string
		for _, b := range decideBreakers(cfg, now, test.breakers, r, totals) {
			what := map[bool]string{b.IsAll(): "all", b.Domain != "": "domain", b.Network != "": "network"}[true]
			if b.Closed() {
				got = append(got, what+" closed")
				continue
			}
			got = append(got, fmt.Sprintf("%s %d %.0fh", what, b.Openings, b.HalfOpenAt.Sub(now).Hours()))
		}
		if strings.Join(got, ", ") != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}
