package main

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"newsletter/internal/local/devstack"
)

// A fault lasts between shortest and longest. The next one of its stream begins after a random pause.
const (
	shortest = 200 * time.Millisecond
	longest  = 1500 * time.Millisecond
	pauses   = 2 // as a multiple of the faults
)

// trouble is one way to break something. It returns when the fault is over.
type injector struct {
	name, target string
	weight       int
	cause        func(ctx context.Context, last time.Duration, random *rand.Rand)
}

// breakThings injects faults into the data tier and, in parallel, into services and processes, until ctx ends. When
// it returns, no fault is left except answers that fakes still have to send.
func (r *run) breakThings(ctx context.Context, random *rand.Rand) {
	var streams sync.WaitGroup
	for _, stream := range [][]injector{append(r.postgresTroubles(), r.redisTroubles()...), append(r.serviceTroubles(), r.processTroubles()...)} {
		own := rand.New(rand.NewPCG(random.Uint64(), random.Uint64()))
		streams.Go(func() { r.breakSome(ctx, own, stream) })
	}
	streams.Wait()
}

func (r *run) breakSome(ctx context.Context, random *rand.Rand, stream []injector) {
	total := 0
	for _, t := range stream {
		total += t.weight
	}
	for {
		last := shortest + time.Duration(random.Int64N(int64(longest-shortest)))
		if !sleep(ctx, pauses*last) {
			return
		}
		n := random.IntN(total)
		for _, t := range stream {
			if n -= t.weight; n < 0 {
				fault := fault{Name: t.name, Target: t.target, Start: time.Now()}
				t.cause(ctx, last, random)
				fault.End = time.Now()
				r.recorder.fault(fault)
				break
			}
		}
	}
}

// sleep reports false when ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// lost are the emails whose answer was lost on purpose, each once.
type lost struct {
	mu   sync.Mutex
	seen map[string]bool
}

func (l *lost) first(delivery string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen == nil {
		l.seen = map[string]bool{}
	}
	again := l.seen[delivery]
	l.seen[delivery] = true
	return !again
}

func (r *run) serviceTroubles() []injector {
	ses, accounts := r.system.Fakes.SES, r.system.Fakes.Loops
	mailFails := func(answer devstack.SESFault, most int) func(context.Context, time.Duration, *rand.Rand) {
		return func(_ context.Context, _ time.Duration, random *rand.Rand) {
			for range 1 + random.IntN(most) {
				ses.Fail(answer)
			}
		}
	}
	loopsFails := func(fault devstack.Fault) func(context.Context, time.Duration, *rand.Rand) {
		return func(_ context.Context, _ time.Duration, random *rand.Rand) {
			for range 1 + random.IntN(5) {
				accounts.Fail(fault)
			}
		}
	}
	return []injector{
		{"mail: too many requests", "mail", 2, mailFails(devstack.SESFault{Status: 429, Code: "TooManyRequestsException", RetryAfter: 1}, 5)},
		{"mail: internal failure", "mail", 2, mailFails(devstack.SESFault{Status: 500, Code: "InternalFailure"}, 5)},
		{"mail: not available", "mail", 2, mailFails(devstack.SESFault{Status: 503, Code: "ServiceUnavailable", RetryAfter: 2}, 5)},
		{"mail: slow, then an error", "mail", 1, mailFails(devstack.SESFault{Status: 504, Code: "Timeout", Delay: 3 * time.Second}, 2)},
		{"mail: never answers", "mail", 1, mailFails(devstack.SESFault{Status: 504, Code: "Timeout", Delay: 11 * time.Second}, 1)},
		{"mail: refused for good", "mail", 1, r.refuseEmail},
		{"mail: taken, the answer lost", "mail", 3, mailFails(devstack.SESFault{Lose: func(m devstack.Email) bool { return r.lose(m, false) }}, 3)},
		{"mail: taken, deliver killed", "mail", 4, mailFails(devstack.SESFault{Lose: func(m devstack.Email) bool { return r.lose(m, true) }}, 1)},
		{"loops: too many requests", "loops", 1, loopsFails(devstack.Fault{Status: 429, RetryAfter: 1, Body: `{"success":false}`})},
		{"loops: internal failure", "loops", 1, loopsFails(devstack.Fault{Status: 500})},
		{"loops: an error inside a 200", "loops", 1, loopsFails(devstack.Fault{Status: 200, Body: `{"success":false,"message":"no"}`})},
		{"loops: done, the answer lost", "loops", 2, loopsFails(devstack.Fault{Lost: true})},
		{"loops: slow", "loops", 1, loopsFails(devstack.Fault{Delay: time.Second})},
		{"loops: an error with a slow body", "loops", 1, loopsFails(devstack.Fault{Status: 500, Body: `{"success":false}`, Drip: time.Second})},
	}
}

// refuseEmail makes the email service refuse the next email permanently.
func (r *run) refuseEmail(context.Context, time.Duration, *rand.Rand) {
	r.refused.Add(1)
	r.system.Fakes.SES.Fail(devstack.SESFault{Status: 400, Code: "MessageRejected"})
}

// lose injects a fault between the email service's acceptance and the mark in the outbox.
func (r *run) lose(m devstack.Email, kill bool) bool {
	if !r.lost.first(m.Tags["delivery"]) {
		return false
	}
	fault := fault{Name: "the answer for an email was lost", Target: "mail", Start: time.Now(), Delivery: m.Tags["delivery"]}
	if kill {
		fault.Name = "deliver was killed during an email"
		r.kill("deliver")
	}
	fault.End = time.Now()
	r.recorder.fault(fault)
	return true
}

// kill ends the processes of a function in the middle of their work.
func (r *run) kill(function string) {
	fault := fault{Name: "killed " + function, Target: function, Start: time.Now()}
	r.system.Lambda.Kill(function)
	fault.End = time.Now()
	r.recorder.fault(fault)
}

func (r *run) processTroubles() []injector {
	var all []injector
	for _, function := range []string{"subscribe", "confirm", "unsubscribe", "privacy", "deliver"} {
		kill := func(context.Context, time.Duration, *rand.Rand) { r.system.Lambda.Kill(function) }
		all = append(all, injector{"killed " + function, function, 2, kill})
	}
	return all
}
