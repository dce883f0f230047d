package ratelimit

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"newsletter/shared/config"
	"newsletter/shared/redistls"

	"github.com/alicebob/miniredis/v2"
)

// outcome is what of a Decision all subjects have to agree on.
type outcome struct {
	Allowed    bool
	States     []State
	RetryAfter time.Duration
	At         int64
}

func outcomeOf(d Decision) outcome { return outcome{d.Allowed, d.States, d.RetryAfter, d.at} }

// step is a turn of the clock and a call; or, of cost 0, the refund of the call some steps back.
type step struct {
	after    time.Duration
	policies string
	client   string // a host; all of them are in one site
	cost     int
	back     int
	want     string // "allowed" or "refused", remaining and reset of each policy, the time to wait
}

// place is where the step counts. Hosts are numbered so that a log holds their number in other places as well: in its
// times, whose first bytes stay the same, and across two entries.
func (s step) place(ps Policies) counterKey {
	host := map[string]uint16{"": 0, "a": 0x0006, "b": 0x0600, "c": 0x0606, "d": 0xffff}[s.client]
	if ps.widest() == Site {
		return counterKey{"site", host}
	}
	return counterKey{"host-" + s.client, host}
}

func describe(d Decision) string {
	text := "allowed"
	if !d.Allowed {
		text = "refused"
	}
	for _, s := range d.States {
		text += fmt.Sprintf(" %d/%v", s.Remaining, s.Reset)
		if s.Violated {
			text += "!"
		}
	}
	if d.RetryAfter > 0 {
		text += " wait " + d.RetryAfter.String()
	}
	return text
}

const minute = time.Minute

var conformance = map[string][]step{
	"up to the limit, and again when the oldest is a window old": {
		{0, "3/10m@host", "a", 1, 0, "allowed 2/10m0s"},
		{minute, "3/10m@host", "a", 1, 0, "allowed 1/9m0s"},
		{minute, "3/10m@host", "a", 1, 0, "allowed 0/8m0s"},
		{minute, "3/10m@host", "a", 1, 0, "refused 0/7m0s! wait 7m0s"},
		{7*minute - time.Microsecond, "3/10m@host", "a", 1, 0, "refused 0/1µs! wait 1µs"},
		{time.Microsecond, "3/10m@host", "a", 1, 0, "allowed 0/1m0s"},
		{0, "3/10m@host", "a", 1, 0, "refused 0/1m0s! wait 1m0s"},
	},
	"a burst on both sides of a whole minute is one burst": {
		{59 * time.Second, "2/1m@host", "a", 1, 0, "allowed 1/1m0s"},
		{0, "2/1m@host", "a", 1, 0, "allowed 0/1m0s"},
		{2 * time.Second, "2/1m@host", "a", 1, 0, "refused 0/58s! wait 58s"},
		{57 * time.Second, "2/1m@host", "a", 1, 0, "refused 0/1s! wait 1s"},
		{time.Second, "2/1m@host", "a", 1, 0, "allowed 1/1m0s"},
	},
	"refused calls are not counted": {
		{0, "1/1m@host", "a", 1, 0, "allowed 0/1m0s"},
		{30 * time.Second, "1/1m@host", "a", 1, 0, "refused 0/30s! wait 30s"},
		{29 * time.Second, "1/1m@host", "a", 1, 0, "refused 0/1s! wait 1s"},
		{time.Second, "1/1m@host", "a", 1, 0, "allowed 0/1m0s"},
	},
	"all policies or none": {
		{0, "1/1m@host,3/1h@site", "a", 1, 0, "allowed 0/1m0s 2/1h0m0s"},
		{time.Second, "1/1m@host,3/1h@site", "a", 1, 0, "refused 0/59s! 2/59m59s wait 59s"},
		{0, "1/1m@host,3/1h@site", "b", 1, 0, "allowed 0/1m0s 1/59m59s"},
		{0, "1/1m@host,3/1h@site", "c", 1, 0, "allowed 0/1m0s 0/59m59s"},
		{time.Second, "1/1m@host,3/1h@site", "d", 1, 0, "refused 1/0s 0/59m58s! wait 59m58s"},
		{0, "1/1m@host,3/1h@site", "a", 1, 0, "refused 0/58s! 0/59m58s! wait 59m58s"},
		{59*minute + 58*time.Second, "1/1m@host,3/1h@site", "d", 1, 0, "allowed 0/1m0s 0/1s"},
	},
	"a cost counts for several": {
		{0, "5/1m@host", "a", 3, 0, "allowed 2/1m0s"},
		{time.Second, "5/1m@host", "a", 2, 0, "allowed 0/59s"},
		{time.Second, "5/1m@host", "a", 3, 0, "refused 0/58s! wait 58s"},
		{0, "5/1m@host", "a", 4, 0, "refused 0/59s! wait 59s"},
		{58 * time.Second, "5/1m@host", "a", 3, 0, "allowed 0/1s"},
	},
	"a cost above the limit never fits": {
		{0, "2/1m@host,9/1m@site", "a", 3, 0, "refused 2/1m0s! 9/0s wait 1m0s"},
		{0, "2/1m@host,9/1m@site", "a", 2, 0, "allowed 0/1m0s 7/1m0s"},
		{0, "2/1m@host,9/1m@site", "a", 3, 0, "refused 0/1m0s! 7/1m0s wait 1m0s"},
	},
	"a refund takes back its call alone": {
		{0, "3/1m@host", "a", 1, 0, "allowed 2/1m0s"},
		{time.Second, "3/1m@host", "a", 2, 0, "allowed 0/59s"},
		{time.Second, "", "", 0, 1, ""},
		{0, "3/1m@host", "a", 1, 0, "allowed 1/58s"},
		{0, "", "", 0, 4, ""}, // the first of all
		{0, "3/1m@host", "a", 2, 0, "allowed 0/1m0s"},
	},
	"a refund among calls of one time": {
		{0, "4/1m@host,9/1m@site", "a", 2, 0, "allowed 2/1m0s 7/1m0s"},
		{0, "4/1m@host,9/1m@site", "a", 1, 0, "allowed 1/1m0s 6/1m0s"},
		{0, "", "", 0, 1, ""},
		{0, "4/1m@host,9/1m@site", "a", 3, 0, "refused 2/1m0s! 7/1m0s wait 1m0s"},
		{0, "4/1m@host,9/1m@site", "a", 2, 0, "allowed 0/1m0s 5/1m0s"},
	},
	"a refund of what has left the window": {
		{0, "1/1m@host", "a", 1, 0, "allowed 0/1m0s"},
		{minute, "1/1m@host", "a", 1, 0, "allowed 0/1m0s"},
		{0, "", "", 0, 2, ""},
		{0, "1/1m@host", "a", 1, 0, "refused 0/1m0s! wait 1m0s"},
	},
	"a clock that steps back admits nothing more": {
		{0, "2/1m@host", "a", 1, 0, "allowed 1/1m0s"},
		{-time.Hour, "2/1m@host", "a", 1, 0, "allowed 0/1m0s"},
		{time.Second, "2/1m@host", "a", 1, 0, "refused 0/1m0s! wait 1m0s"},
		{time.Hour, "2/1m@host", "a", 1, 0, "refused 0/59s! wait 59s"},
		{59 * time.Second, "2/1m@host", "a", 1, 0, "allowed 1/1m0s"},
	},
	"a step back of one log holds for the others of the call": {
		{0, "9/1m@host,9/1m@site", "a", 1, 0, "allowed 8/1m0s 8/1m0s"},
		{-time.Hour, "9/1m@host,9/1m@site", "b", 1, 0, "allowed 8/1m0s 7/1m0s"},
	},
	"a limit that is lowered, and raised": {
		{0, "3/1m@host", "a", 1, 0, "allowed 2/1m0s"},
		{time.Second, "3/1m@host", "a", 1, 0, "allowed 1/59s"},
		{time.Second, "3/1m@host", "a", 1, 0, "allowed 0/58s"},
		{0, "1/1m@host", "a", 1, 0, "refused 0/1m0s! wait 1m0s"},
		{0, "4/1m@host", "a", 1, 0, "allowed 0/58s"},
	},
	"many that are old at once": {
		{0, "900/1m@host", "a", 300, 0, "allowed 600/1m0s"},
		{time.Second, "900/1m@host", "a", 300, 0, "allowed 300/59s"},
		{time.Second, "900/1m@host", "a", 300, 0, "allowed 0/58s"},
		{59 * time.Second, "900/1m@host", "a", 1, 0, "allowed 599/1s"},
		{10 * minute, "900/1m@host", "a", 900, 0, "allowed 0/1m0s"},
	},
	"several policies of one scope": {
		{0, "2/10s@host,3/1m@host", "a", 2, 0, "allowed 0/10s 1/1m0s"},
		{10 * time.Second, "2/10s@host,3/1m@host", "a", 1, 0, "allowed 1/10s 0/50s"},
		{0, "2/10s@host,3/1m@host", "a", 1, 0, "refused 1/10s 0/50s! wait 50s"},
	},
}

func TestConformance(t *testing.T) {
	t.Parallel()
	subjects := map[string]func(t *testing.T, c *clock) subject{
		"model":      func(_ *testing.T, c *clock) subject { return newModel(c) },
		"in process": func(_ *testing.T, c *clock) subject { return inProcess{newLocal(c.now)} },
		"miniredis": func(t *testing.T, c *clock) subject {
			server := miniredis.RunT(t)
			return newInRedis(t, patient(t, openURL(t, redistls.Config{URL: config.Seal("redis://" + server.Addr())})), c)
		},
		"Redis": func(t *testing.T, c *clock) subject { return newInRedis(t, shared(t), c) },
	}
	for name, open := range subjects {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for name, steps := range conformance {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					c := newClock()
					conform(t, open(t, c), newModel(c), c, steps)
				})
			}
		})
	}
}

// conform takes the steps with a subject and with the model, whose answers must be the same in every field.
func conform(t *testing.T, s subject, m *model, c *clock, steps []step) {
	t.Helper()
	type both struct{ subject, model Decision }
	done := make([]both, len(steps))
	for i, step := range steps {
		c.advance(step.after)
		if step.cost == 0 {
			s.refund(done[i-step.back].subject)
			m.refund(done[i-step.back].model)
			continue
		}
		call := Call{Policies: policies(t, step.policies), Cost: step.cost}
		done[i] = both{s.take(step.place(call.Policies), call), m.take(step.place(call.Policies), call)}
		if got := describe(done[i].subject); got != step.want {
			t.Fatalf("step %d: %s, want %s", i, got, step.want)
		}
		if got, want := outcomeOf(done[i].subject), outcomeOf(done[i].model); !reflect.DeepEqual(got, want) {
			t.Fatalf("step %d: %+v, want %+v as in the model", i, got, want)
		}
	}
}
