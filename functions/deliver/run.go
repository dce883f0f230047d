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
)

// run is one invocation. Its methods are safe for concurrent use where they are called from send.
type run struct {
	*handler
	places int // how many are sent side by side: fewer after the service asked for a pause

	mu       sync.Mutex
	outcomes map[string]int
	stopped  *outbox.Failure // what would happen to every other mail of this batch too
}

func newRun(h *handler) *run {
	return &run{handler: h, places: h.config.Concurrency, outcomes: map[string]int{}}
}

func (r *run) count(outcome string, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.outcomes[outcome] += n
}

func (r *run) stop(failure *outbox.Failure) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = failure
}

func (r *run) stoppedBy() *outbox.Failure {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stopped
}

// note puts the outcomes into the log line.
func (r *run) note(ctx context.Context) {
	for outcome, n := range r.outcomes {
		lambdafn.Note(ctx, slog.Int("delivered_"+outcome, n))
	}
}

// batch delivers what was claimed and gives the pause that the mail service asked for. A delivery that fails holds up no
// other. The error says that no mail can leave before somebody does something about it.
func (r *run) batch(ctx context.Context, claimed []outbox.Delivery) (pause time.Duration, err error) {
	var mails, decoys []outbox.Delivery
	for _, d := range claimed {
		if d.Kind == outbox.None {
			decoys = append(decoys, d)
		} else {
			mails = append(mails, d)
		}
	}
	if err := r.queue.Skip(ctx, "none", decoys...); err != nil {
		r.report(ctx, err) // the lease brings them back
	} else if len(decoys) > 0 {
		r.count("none", len(decoys))
	}
	r.stop(nil)
	r.sendAll(ctx, mails)
	switch failure := r.stoppedBy(); {
	case failure == nil:
		r.places = min(r.places+1, r.config.Concurrency)
	case failure.NeedsOwner:
		return 0, failure
	default:
		r.places = max(r.places/2, 1)
		return min(max(failure.RetryAfter, minThrottle), maxThrottle), nil
	}
	return 0, nil
}

// sendAll sends side by side. What cannot be begun any more is given back.
func (r *run) sendAll(ctx context.Context, mails []outbox.Delivery) {
	leaseEnds := r.now().Add(lease - timeToSend)
	places := make(chan struct{}, r.places)
	var sending sync.WaitGroup
	defer sending.Wait()
	for i, d := range mails {
		places <- struct{}{}
		if r.stoppedBy() != nil || !r.hasTime(ctx) || r.now().After(leaseEnds) {
			r.release(ctx, mails[i:]...)
			return
		}
		sending.Go(func() {
			defer func() { <-places }()
			r.count(r.send(ctx, d), 1)
		})
	}
}

func (r *run) release(ctx context.Context, deliveries ...outbox.Delivery) {
	if err := r.queue.Release(ctx, deliveries...); err != nil {
		r.report(ctx, err) // the lease brings them back
	}
}

// send delivers one mail and records what came of it.
func (r *run) send(ctx context.Context, d outbox.Delivery) (outcome string) {
	defer func() {
		if value := recover(); value != nil { // one poisonous row must not end the others
			outcome = "panic"
			r.report(ctx, errors.Join(capture.Panic(ctx, value), r.queue.Retry(ctx, d, outcome, 0)))
		}
	}()
	outcome, err := r.attempt(ctx, d)
	switch {
	case errors.Is(err, outbox.ErrLost):
		return "lost"
	case err != nil:
		r.report(ctx, err)
	}
	return outcome
}

func (r *run) attempt(ctx context.Context, d outbox.Delivery) (string, error) {
	people, err := r.people.Recipients(ctx, d.SubscriberID) // as late as can be: nobody who just left is written to
	if err != nil {
		return "error", err // the lease brings it back
	}
	to := people[d.SubscriberID]
	message, known := r.writer.write(d, to)
	switch {
	case !known: // a newer version's, whose deliver may come
		return r.retry(ctx, d, &outbox.Failure{Cause: "unknown_kind"})
	case !to.Accepts(d.Kind, d.Epoch):
		return "stale", r.queue.Done(ctx, d, "stale")
	}
	began := r.now()
	_, err = r.sender.Send(ctx, message)
	if err == nil {
		capture.Breadcrumb(ctx, "send", "sent", r.now().Sub(began))
		return "sent", r.queue.Done(ctx, d, "sent")
	}
	failure, ok := errors.AsType[*outbox.Failure](err)
	if !ok {
		failure = &outbox.Failure{Cause: "error"}
	}
	capture.Breadcrumb(ctx, "send", failure.Cause, r.now().Sub(began))
	switch {
	case failure.Permanent:
		return "dead", errors.Join(failure, r.queue.Dead(ctx, d, failure.Cause))
	case failure.General:
		r.stop(failure)
		return "waits", r.queue.Release(ctx, d) // it was not this mail's fault, so the try does not count
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
