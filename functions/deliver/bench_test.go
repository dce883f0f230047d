package main

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/shared/lambdafn"
)

// BenchmarkBacklog compares the cost of a sign-up, with its share of deliver's work, while 50,000 emails wait for the
// rate and while none does, as a ratio of one run. The rate has no room in both cases. deliver runs after every 20
// sign-ups, which is ten a second: a higher rate costs each of them less.
func BenchmarkBacklog(b *testing.B) {
	const waiting, rounds, each, polls = 50_000, 30, 40, 2
	var fixtures [2]*functiontest.Fixture
	var functions [2]lambdafn.Function
	b.Setenv("AWS_REGION", "eu-central-1")
	for i := range fixtures {
		f := functiontest.New(b)
		f.Variables["MAIL_RATE_PER_MINUTE"], f.Variables["DELIVERY_LINGER"] = "1", "0s"
		f.Exec(`insert into outbox (id, kind, state, outcome, due_at, created_at, finished_at)
			values (gen_random_uuid(), 'email.confirm', 'done', 'sent', now(), now(), now() + interval '1 day')`)
		fixtures[i], functions[i] = f, f.Open(open)
	}
	fixtures[1].Exec(`insert into outbox (id, kind, subscriber_id, due_at, deferred_until, created_at, waits_for)
		select gen_random_uuid(), 'email.confirm', gen_random_uuid(), at, at, now(), 'rate'
		from (select now() + n * interval '1 minute' as at from generate_series(1, $1::integer) as n) as later`, waiting)
	fixtures[1].Exec(`analyze outbox`)
	var took [2][]float64
	for round := range rounds {
		for i, f := range fixtures {
			began := time.Now()
			for n := range each {
				f.SignUp(fmt.Sprintf("visitor@example-%d-%d.org", round, n)) // without slots
				if n%(each/polls) == 0 {
					if _, err := functions[i].Event(b.Context(), functiontest.Sample(b, "deliver", "scheduled")); err != nil {
						b.Fatal(err)
					}
				}
			}
			took[i] = append(took[i], float64(time.Since(began).Microseconds())/each)
		}
	}
	for i, want := range []int{rounds * each, waiting + rounds*each} {
		var queued int
		fixtures[i].Scan(`select count(*) from outbox where state = 'ready' and waits_for = 'rate'`, nil, &queued)
		if queued < want-each || queued > want {
			b.Errorf("%d emails wait, want %d", queued, want)
		}
		slices.Sort(took[i])
	}
	// The fastest rounds: what else runs on the machine only adds to a round.
	b.ReportMetric(took[1][0]/took[0][0], "×empty")
	b.ReportMetric(took[0][0], "µs/sign-up")
	b.ReportMetric(0, "ns/op")
}
