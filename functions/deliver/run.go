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
	concurrency int // concurrent deliveries; fewer after the email service throttled a send

	mu       sync.Mutex
	outcomes map[outbox.Outcome]int
	stopped  map[string]*outbox.Failure // by destination: the failure of all its deliveries of this batch
	paused   map[string]string          // by destination: the reason, at the last claim
}

func newRun(h *handler) *run {
	return &run{handler: h, concurrency: h.config.Concurrency, outcomes: map[outbox.Outcome]int{}}
}

func (r *run) count(outcome outbox.Outcome, n int) {
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

// noteOutcomes adds the outcomes to the log line.
func (r *run) noteOutcomes(ctx context.Context) {
	for outcome, n := range r.outcomes {
		lambdafn.Note(ctx, slog.Int("delivered_"+string(outcome), n))
	}
}

// destinationOf returns the destination of a delivery.
func destinationOf(d outbox.Delivery) string { return d.Kind.Destination() }

// batch makes the claimed deliveries and returns the pause that the email service requested. A failed delivery does not
// delay others. The error means that no email can be sent until the owner acts.
func (r *run) batch(ctx context.Context, claimed []outbox.Delivery, leaseEnds time.Time) (pause time.Duration, err error) {
	if len(claimed) == 0 {
		return 0, nil
	}
	var wanted, decoys []outbox.Delivery
	for _, d := range r.limitRate(ctx, claimed) {
		if d.Kind == outbox.None {
			decoys = append(decoys, d)
		} else {
			wanted = append(wanted, d)
		}
	}
	if err := r.queue.CompleteAll(ctx, outbox.Decoy, decoys...); err != nil {
		r.report(ctx, err) // claimed again after the lease
	} else if len(decoys) > 0 {
		r.count(outbox.Decoy, len(decoys))
	}
	r.stopped = map[string]*outbox.Failure{}
	r.deliverAll(ctx, r.holdBursts(ctx, wanted), leaseEnds)
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

// throttle returns the pause before the next call to a destination that failed.
func throttle(failure *outbox.Failure) time.Duration {
	return min(max(failure.RetryAfter, minThrottle), maxThrottle)
}

// deliverAll makes deliveries concurrently. It releases those that it cannot start before the invocation or the lease
// ends.
func (r *run) deliverAll(ctx context.Context, deliveries []outbox.Delivery, leaseEnds time.Time) {
	slots := make(chan struct{}, r.concurrency)
	var delivering sync.WaitGroup
	defer delivering.Wait()
	for i, d := range deliveries {
		slots <- struct{}{}
		if !r.hasTime(ctx) || r.now().Add(timeToSend).After(leaseEnds) {
			r.release(ctx, 0, deliveries[i:]...)
			return
		}
		if failure := r.stoppedBy(destinationOf(d)); failure != nil {
			<-slots
			r.releaseFailed(ctx, d, failure)
			continue
		}
		delivering.Go(func() {
			defer func() { <-slots }()
			outcome := r.deliver(ctx, d)
			r.count(outcome, 1)
			telemetry.Add(ctx, telemetry.Deliveries, 1, destinationOf(d), string(outcome.Result()))
		})
	}
}

// releaseFailed releases a delivery whose destination fails. Emails are due at once, because the run itself pauses;
// other deliveries are due after a pause, so that emails need not wait for them.
func (r *run) releaseFailed(ctx context.Context, d outbox.Delivery, failure *outbox.Failure) {
	pause := time.Duration(0)
	if !d.Kind.IsEmail() {
		pause = throttle(failure)
	}
	if err := r.queue.ReleaseFailed(ctx, pause, failure.Cause, d); err != nil {
		r.report(ctx, err) // claimed again after the lease
	}
}

func (r *run) release(ctx context.Context, pause time.Duration, deliveries ...outbox.Delivery) {
	if err := r.queue.Release(ctx, pause, deliveries...); err != nil {
		r.report(ctx, err) // claimed again after the lease
	}
}

// deliver makes one delivery, records its outcome and returns it.
func (r *run) deliver(ctx context.Context, d outbox.Delivery) (outcome outbox.Outcome) {
	defer func() {
		if value := recover(); value != nil { // one bad message must not stop the others
			outcome = outbox.Panicked
			r.report(ctx, errors.Join(capture.Panic(ctx, value), r.queue.Retry(ctx, d, string(outcome), 0)))
		}
	}()
	outcome, err := r.attempt(ctx, d)
	switch {
	case errors.Is(err, outbox.ErrLeaseLost):
		return outbox.LeaseLost
	case err != nil:
		r.report(ctx, err)
	}
	return outcome
}

func (r *run) attempt(ctx context.Context, d outbox.Delivery) (outbox.Outcome, error) {
	switch {
	case d.Kind.IsEmail():
		return r.sendEmail(ctx, d)
	case d.Kind.IsFanOut():
		return r.expand(ctx, d)
	case d.Kind.AlertChange() != "":
		return r.notifyAlert(ctx, d)
	case d.Kind == outbox.CheckLoops:
		return r.check(ctx, d)
	case d.Kind.Recipient() != "":
		return r.deliverChange(ctx, d)
	}
	return r.retry(ctx, d, unknownKind) // enqueued by a newer version
}

var unknownKind = &outbox.Failure{Cause: "unknown_kind"}

// complete records the outcome of a message that is done.
func (r *run) complete(ctx context.Context, d outbox.Delivery, outcome outbox.Outcome) (outbox.Outcome, error) {
	return outcome, r.queue.Complete(ctx, d, outcome)
}

// finish records the result of an attempt: the outcome, or the failure.
func (r *run) finish(ctx context.Context, d outbox.Delivery, outcome outbox.Outcome, err error) (outbox.Outcome, error) {
	if err == nil {
		return r.complete(ctx, d, outcome)
	}
	failure, ok := errors.AsType[*outbox.Failure](err)
	if !ok {
		failure = &outbox.Failure{Cause: string(outbox.Errored), Err: err}
	}
	return r.fail(ctx, d, failure)
}

// fail records a failed attempt.
func (r *run) fail(ctx context.Context, d outbox.Delivery, failure *outbox.Failure) (outbox.Outcome, error) {
	switch {
	case failure.Permanent && failure.Cause == webhook.Gone: // no further call until the owner resumes
		return outbox.DeadLettered, errors.Join(failure, r.queue.DeadLetter(ctx, d, failure.Cause), r.queue.Pause(ctx, destinationOf(d), failure.Cause))
	case failure.Permanent:
		return outbox.DeadLettered, errors.Join(failure, r.queue.DeadLetter(ctx, d, failure.Cause))
	case failure.AffectsDestination:
		r.stop(destinationOf(d), failure)
		r.releaseFailed(ctx, d, failure) // the attempt does not count
		return outbox.Deferred, nil
	}
	return r.retry(ctx, d, failure)
}

// retry schedules another attempt, or dead-letters the delivery after the last one. The error is to be reported to the
// operator.
func (r *run) retry(ctx context.Context, d outbox.Delivery, failure *outbox.Failure) (outbox.Outcome, error) {
	err := r.queue.Retry(ctx, d, failure.Cause, failure.RetryAfter)
	switch {
	case d.Attempt >= outbox.MaxAttempts:
		return outbox.DeadLettered, errors.Join(failure, err)
	case failure.NeedsOwner:
		return outbox.Retried, errors.Join(failure, err)
	}
	return outbox.Retried, err
}

// report logs an error and captures it for the operator.
func (r *run) report(ctx context.Context, err error) {
	capture.Error(ctx, err)
	lambdafn.Logger(ctx).ErrorContext(ctx, "delivery failed", "err", err)
}
