package main

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"newsletter/shared/capture"
	"newsletter/shared/lambdafn"
	"newsletter/shared/outbox"
	"newsletter/shared/telemetry"
	"newsletter/shared/webhook"
)

// run is one invocation. Its methods are safe for concurrent use where they are called from deliver.
type run struct {
	*handler
	concurrency int // how many are delivered side by side: fewer after the mail service asked for a pause

	mu       sync.Mutex
	outcomes map[string]int
	stopped  map[string]*outbox.Failure // by channel: what would happen to everything else of this batch too
}

func newRun(h *handler) *run {
	return &run{handler: h, concurrency: h.config.Concurrency, outcomes: map[string]int{}}
}

func (r *run) count(outcome string, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.outcomes[outcome] += n
}

func (r *run) stop(channel string, failure *outbox.Failure) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped[channel] = failure
}

func (r *run) stoppedBy(channel string) *outbox.Failure {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stopped[channel]
}

// note puts the outcomes into the log line.
func (r *run) noteOutcomes(ctx context.Context) {
	for outcome, n := range r.outcomes {
		lambdafn.Note(ctx, slog.Int("delivered_"+outcome, n))
	}
}

// channel is the way that a delivery takes: what fails there in general does so for all of that channel.
func destinationOf(d outbox.Delivery) string { return d.Kind.Destination() }

// batch delivers what was claimed and gives the pause that the mail service asked for. A delivery that fails holds up no
// other. The error says that no mail can leave before somebody does something about it.
func (r *run) batch(ctx context.Context, claimed []outbox.Delivery, leaseEnds time.Time) (pause time.Duration, err error) {
	if len(claimed) == 0 {
		return 0, nil
	}
	var wanted, decoys []outbox.Delivery
	for _, d := range claimed {
		if d.Kind == outbox.None {
			decoys = append(decoys, d)
		} else {
			wanted = append(wanted, d)
		}
	}
	if err := r.queue.CompleteAll(ctx, "none", decoys...); err != nil {
		r.report(ctx, err) // the lease brings them back
	} else if len(decoys) > 0 {
		r.count("none", len(decoys))
	}
	r.stopped = map[string]*outbox.Failure{}
	r.deliverAll(ctx, r.holdBursts(ctx, r.limitRate(ctx, wanted)), leaseEnds)
	switch failure := r.stoppedBy(outbox.Email); {
	case failure == nil:
		r.concurrency = min(r.concurrency+1, r.config.Concurrency)
	case failure.NeedsOwner:
		return 0, failure
	default:
		r.concurrency = max(r.concurrency/2, 1)
		return throttle(failure), nil
	}
	return 0, nil
}

// throttle is how long to leave the other side alone.
func throttle(failure *outbox.Failure) time.Duration {
	return min(max(failure.RetryAfter, minThrottle), maxThrottle)
}

// deliverAll delivers side by side. What cannot be begun any more, because the invocation or the lease ends, is given back.
func (r *run) deliverAll(ctx context.Context, deliveries []outbox.Delivery, leaseEnds time.Time) {
	places := make(chan struct{}, r.concurrency)
	var delivering sync.WaitGroup
	defer delivering.Wait()
	for i, d := range deliveries {
		places <- struct{}{}
		if !r.hasTime(ctx) || r.now().Add(timeToSend).After(leaseEnds) {
			r.release(ctx, 0, deliveries[i:]...)
			return
		}
		if failure := r.stoppedBy(destinationOf(d)); failure != nil {
			<-places
			r.releaseFailed(ctx, d, failure)
			continue
		}
		delivering.Go(func() {
			defer func() { <-places }()
			outcome := r.deliver(ctx, d)
			r.count(outcome, 1)
			telemetry.Add(ctx, telemetry.Deliveries, 1, destinationOf(d), metricResult(outcome))
		})
	}
}

// giveBack returns what would fail in general. Mails are due at once, because the run itself pauses for them; the rows of
// a listener come back later, so that mails need not wait.
func (r *run) releaseFailed(ctx context.Context, d outbox.Delivery, failure *outbox.Failure) {
	pause := time.Duration(0)
	if !d.Kind.IsEmail() {
		pause = throttle(failure)
	}
	if err := r.queue.ReleaseFailed(ctx, pause, failure.Cause, d); err != nil {
		r.report(ctx, err) // the lease brings it back
	}
}

func (r *run) release(ctx context.Context, pause time.Duration, deliveries ...outbox.Delivery) {
	if err := r.queue.Release(ctx, pause, deliveries...); err != nil {
		r.report(ctx, err) // the lease brings them back
	}
}

// deliver does one delivery and records what came of it.
func (r *run) deliver(ctx context.Context, d outbox.Delivery) (outcome string) {
	defer func() {
		if value := recover(); value != nil { // one poisonous row must not end the others
			outcome = "panic"
			r.report(ctx, errors.Join(capture.Panic(ctx, value), r.queue.Retry(ctx, d, outcome, 0)))
		}
	}()
	outcome, err := r.attempt(ctx, d)
	switch {
	case errors.Is(err, outbox.ErrLeaseLost):
		return "lost"
	case err != nil:
		r.report(ctx, err)
	}
	return outcome
}

func (r *run) attempt(ctx context.Context, d outbox.Delivery) (string, error) {
	switch {
	case d.Kind.IsEmail():
		return r.sendEmail(ctx, d)
	case d.Kind.IsFanOut():
		return r.fanOut(ctx, d)
	case d.Kind.AlertChange() != "":
		return r.notifyAlert(ctx, d)
	case d.Kind.Recipient() != "":
		return r.notify(ctx, d)
	}
	return r.retry(ctx, d, unknownKind) // a newer version's, whose deliver may come
}

var unknownKind = &outbox.Failure{Cause: "unknown_kind"}

// settle records what came of an attempt that began at a time: done with an outcome, or the failure.
func (r *run) finish(ctx context.Context, d outbox.Delivery, outcome string, err error) (string, error) {
	if err == nil {
		return outcome, r.queue.Complete(ctx, d, outcome)
	}
	failure, ok := errors.AsType[*outbox.Failure](err)
	if !ok {
		failure = &outbox.Failure{Cause: "error", Err: err}
	}
	switch {
	case failure.Permanent && failure.Cause == webhook.Gone: // no further call until the owner lifts the pause
		return "dead", errors.Join(failure, r.queue.DeadLetter(ctx, d, failure.Cause), r.queue.Pause(ctx, destinationOf(d), failure.Cause))
	case failure.Permanent:
		return "dead", errors.Join(failure, r.queue.DeadLetter(ctx, d, failure.Cause))
	case failure.AffectsDestination:
		r.stop(destinationOf(d), failure)
		r.releaseFailed(ctx, d, failure) // it was not this delivery's fault, so the try does not count
		return "waits", nil
	}
	return r.retry(ctx, d, failure)
}

// retry puts a delivery back, or gives it up after the last attempt. The error is what an operator should see of it.
func (r *run) retry(ctx context.Context, d outbox.Delivery, failure *outbox.Failure) (string, error) {
	err := r.queue.Retry(ctx, d, failure.Cause, failure.RetryAfter)
	switch {
	case d.Attempt >= outbox.MaxAttempts:
		return "dead", errors.Join(failure, err)
	case failure.NeedsOwner:
		return "retry", errors.Join(failure, err)
	}
	return "retry", err
}

// report tells what an operator should see.
func (r *run) report(ctx context.Context, err error) {
	capture.Error(ctx, err)
	lambdafn.Logger(ctx).Error("deliver", "err", err)
}

// ending is what an outcome means for the delivery, in the few words that a metric has.
func metricResult(outcome string) string {
	switch outcome {
	case "dead":
		return "dead"
	case "retry", "waits", "paced", "capped", "error", "panic":
		return "later"
	case "stale", "outdated", "superseded", "unwanted", "lost":
		return "dropped"
	}
	return "delivered"
}
