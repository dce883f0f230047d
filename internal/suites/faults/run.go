package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// options configure a run.
type options struct {
	ops     int
	seed    uint64
	time    time.Duration // for the operations; settling comes after it
	workers int
	root    string
	dump    string
	out     io.Writer // receives progress messages
	log     io.Writer // receives the functions' output; nil discards it
}

// run is a history in progress.
type run struct {
	options
	system   *system
	mailbox  *mailbox
	recorder *recorder
	directs  directs
	people   []string
	began    time.Time // of the operations
	lost     lost
	refused  atomic.Int64 // emails that the email service was set to refuse permanently
}

// rivalry is the share of steps with two concurrent operations on one person.
const rivalry = 0.15

// hot is the number of people who receive most operations.
const hot = 25

// absent prefixes the line of a server that is not installed and whose faults are skipped.
const absent = "left out:"

// runHistory runs operations and faults concurrently, then stops the faults and completes everything that was left
// open.
func runHistory(ctx context.Context, o options) (history, error) {
	began := time.Now()
	s, err := startSystem(ctx, o.root, o.log)
	if err != nil {
		return history{}, err
	}
	defer s.stop()
	for _, line := range s.servers.Missing() {
		fmt.Fprintln(o.out, absent, line)
	}
	fmt.Fprintf(o.out, "started in %.0f s\n", time.Since(began).Seconds())
	r := &run{options: o, system: s, mailbox: newMailbox(s), recorder: &recorder{}, people: people(max(100, o.ops/20))}
	r.storm(ctx)
	if err := ctx.Err(); err != nil {
		return history{}, err
	}
	fmt.Fprintf(o.out, "%d operations, %d faults, %d emails after %.0f s; now everything is repaired\n",
		r.recorder.count(), len(r.recorder.faults), len(s.Fakes.SES.Emails()), time.Since(began).Seconds())
	if err := r.settle(ctx); err != nil {
		return history{}, err
	}
	return r.read(ctx)
}

// storm runs the operations and faults concurrently, until there are enough operations or the time is up.
func (r *run) storm(ctx context.Context) {
	r.began = time.Now()
	ctx, cancel := context.WithTimeout(ctx, r.time)
	defer cancel()
	beside, stop := context.WithCancel(ctx)
	var companions, workers sync.WaitGroup
	companions.Go(func() { r.breakThings(beside, rand.New(rand.NewPCG(r.seed, 1))) })
	companions.Go(func() { every(beside, 100*time.Millisecond, func() { r.mailbox.open(beside) }) })
	companions.Go(func() { every(beside, 2*time.Second, func() { r.passDay(beside) }) })
	companions.Go(func() { every(beside, 15*time.Second, r.progress) })
	for range 2 {
		companions.Go(func() { every(beside, 500*time.Millisecond, func() { r.deliver(beside) }) })
	}
	for number := range r.workers {
		workers.Go(func() { r.work(ctx, number, rand.New(rand.NewPCG(r.seed, uint64(100+number)))) })
	}
	workers.Wait()
	stop()
	companions.Wait()
}

// work runs one stream of operations by changing visitors.
func (r *run) work(ctx context.Context, number int, random *rand.Rand) {
	for step := 0; r.turn(ctx); step++ {
		v := newVisitor(r.system.BaseURL, number*20+step%20)
		address := r.people[random.IntN(len(r.people))]
		if random.IntN(3) == 0 {
			address = r.people[random.IntN(min(hot, len(r.people)))]
		}
		acts := []act{r.plan(random, choose(random), address)}
		if random.Float64() < rivalry {
			pair := rivals[random.IntN(len(rivals))]
			acts = []act{r.plan(random, pair[0], address), r.plan(random, pair[1], address)}
		}
		again := random.IntN(2) == 0
		var side sync.WaitGroup
		for _, a := range acts {
			side.Go(func() { r.once(ctx, v, a, again) })
		}
		side.Wait()
		v.client.CloseIdleConnections()
	}
}

// turn waits until the next operation is due, so that operations and faults fill half of the time. It returns false
// when there are enough or the time is up. After a stall operations come in a rush.
func (r *run) turn(ctx context.Context) bool {
	for {
		done := r.recorder.count()
		if done >= r.ops {
			return false
		}
		due := int(float64(r.ops) * float64(time.Since(r.began)) / float64(r.time/2))
		if done < due {
			return ctx.Err() == nil
		}
		if !sleep(ctx, 5*time.Millisecond) {
			return false
		}
	}
}

// once performs an operation, and repeats it if the outcome is unknown and the visitor is one who retries.
func (r *run) once(ctx context.Context, v *visitor, a act, again bool) {
	done := r.do(context.WithoutCancel(ctx), v, a)
	if done.unknown() && again {
		a.call.Repeats = done.Number
		r.do(context.WithoutCancel(ctx), v, a)
	}
}

// deliver invokes the function once, as its schedule does.
func (r *run) deliver(ctx context.Context) {
	result, err := r.system.Lambda.Invoke(ctx, "deliver", []byte(`{"scheduled":true}`))
	if r.log != nil && (err != nil || result.FunctionError != "") {
		fmt.Fprintf(r.log, "deliver: %v %s\n", err, result.Payload)
	}
}

// passDay makes email_log older by a day, so that the budgets allow email again.
func (r *run) passDay(ctx context.Context) {
	_ = r.system.admin(ctx, func(conn *pgx.Conn) error {
		r.recorder.dayPassed() // first, so that the count is never too low
		_, err := conn.Exec(ctx, `
			update email_log set at = at - interval '25 hours'`)
		return err
	})
}

func (r *run) progress() {
	fmt.Fprintf(r.out, "%d operations, %d emails\n", r.recorder.count(), len(r.system.Fakes.SES.Emails()))
}

// every repeats a function until ctx ends.
func every(ctx context.Context, pause time.Duration, do func()) {
	for {
		do()
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
