package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"newsletter/shared/capture"
	"newsletter/shared/config"
	"newsletter/shared/lambdafn"
	"newsletter/shared/mail"
	"newsletter/shared/outbox"
	"newsletter/shared/subscription"
)

const (
	// lease is how long a claim keeps others away: above the longest send with its database calls.
	lease = 60 * time.Second
	// pollEvery is the pause between two looks into an empty outbox.
	pollEvery = 2 * time.Second
	// timeToSend is what must be left of the invocation to begin a batch.
	timeToSend = 15 * time.Second
)

// Config tunes the deliveries.
type Config struct {
	// Linger is how long an invocation goes on looking for new work once the outbox is empty. With a schedule of one
	// minute, 50s makes mails leave within seconds; 0s is the cheapest. Defaults to 50s.
	Linger time.Duration `env:"DELIVER_LINGER" envDefault:"50s"`
	// Batch is how many deliveries are claimed at a time. Defaults to 25.
	Batch int `env:"DELIVER_BATCH" envDefault:"25"`
	// Concurrency is how many are sent side by side. Defaults to 5.
	Concurrency int `env:"DELIVER_CONCURRENCY" envDefault:"5"`
}

func readConfig(e *config.Env) Config {
	var c Config
	e.Read(&c)
	return c
}

// Validate implements the check of config.Env.Read.
func (c Config) Validate() error {
	var problems []error
	if c.Linger < 0 || c.Linger > 10*time.Minute {
		problems = append(problems, errors.New("DELIVER_LINGER: must be between 0s and 10m"))
	}
	if c.Batch < 1 || c.Batch > 1000 {
		problems = append(problems, errors.New("DELIVER_BATCH: must be between 1 and 1000"))
	}
	if c.Concurrency < 1 || c.Concurrency > 100 {
		problems = append(problems, errors.New("DELIVER_CONCURRENCY: must be between 1 and 100"))
	}
	return errors.Join(problems...)
}

type recipients interface {
	Recipients(ctx context.Context, subscriberIDs ...uuid.UUID) (map[uuid.UUID]subscription.Recipient, error)
}

type sender interface {
	Send(ctx context.Context, m mail.Message) (string, error)
}

type handler struct {
	config Config
	queue  *outbox.Worker
	people recipients
	writer writer
	sender sender
	now    func() time.Time
}

// summary is the result of an invocation: how many deliveries ended how.
type summary struct {
	mu       sync.Mutex
	Outcomes map[string]int `json:"outcomes"`
}

func (s *summary) count(outcome string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Outcomes[outcome]++
}

// event drains the outbox, then lingers. Every event means the same: look now.
func (h *handler) event(ctx context.Context, _ json.RawMessage) (any, error) {
	done := &summary{Outcomes: map[string]int{}}
	defer func() {
		for outcome, n := range done.Outcomes {
			lambdafn.Note(ctx, slog.Int("delivered_"+outcome, n))
		}
	}()
	end := h.now().Add(h.config.Linger)
	for h.hasTime(ctx) {
		claimed, err := h.queue.Claim(ctx, h.config.Batch, lease)
		if err != nil {
			return nil, err
		}
		h.deliver(ctx, claimed, done)
		if len(claimed) > 0 {
			continue
		}
		if h.now().Add(pollEvery).After(end) || !wait(ctx, pollEvery) {
			break
		}
	}
	return done, nil
}

// hasTime says whether a batch that begins now ends before the invocation does.
func (h *handler) hasTime(ctx context.Context) bool {
	deadline, found := ctx.Deadline()
	return ctx.Err() == nil && (!found || time.Until(deadline) > timeToSend)
}

func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// deliver sends a batch. A delivery that fails holds up no other.
func (h *handler) deliver(ctx context.Context, claimed []outbox.Delivery, done *summary) {
	var mails, decoys []outbox.Delivery
	for _, d := range claimed {
		if d.Kind == outbox.None {
			decoys = append(decoys, d)
		} else {
			mails = append(mails, d)
		}
	}
	if err := h.queue.Skip(ctx, "none", decoys...); err != nil {
		h.failed(ctx, err) // the lease brings them back
	} else if len(decoys) > 0 {
		done.count("none")
	}
	places := make(chan struct{}, h.config.Concurrency)
	var sending sync.WaitGroup
	for _, d := range mails {
		places <- struct{}{}
		sending.Go(func() {
			defer func() { <-places }()
			done.count(h.send(ctx, d))
		})
	}
	sending.Wait()
}

// send delivers one mail and records what came of it.
func (h *handler) send(ctx context.Context, d outbox.Delivery) (outcome string) {
	defer func() {
		if value := recover(); value != nil { // one poisonous row must not end the others
			outcome = "panic"
			h.failed(ctx, errors.Join(capture.Panic(ctx, value), h.queue.Retry(ctx, d, outcome, 0)))
		}
	}()
	outcome, err := h.attempt(ctx, d)
	if err != nil && !errors.Is(err, outbox.ErrLost) {
		h.failed(ctx, err)
	}
	return outcome
}

func (h *handler) attempt(ctx context.Context, d outbox.Delivery) (string, error) {
	people, err := h.people.Recipients(ctx, d.SubscriberID) // as late as can be: nobody who just left is written to
	if err != nil {
		return "error", err // the lease brings it back
	}
	to := people[d.SubscriberID]
	if !to.Accepts(d.Kind, d.Epoch) {
		return "stale", h.queue.Done(ctx, d, "stale")
	}
	message, known := h.writer.write(d, to)
	if !known {
		return "unknown_kind", h.queue.Dead(ctx, d, "unknown_kind")
	}
	began := h.now()
	_, err = h.sender.Send(ctx, message)
	failure, isFailure := errors.AsType[*mail.SendError](err)
	switch {
	case err == nil:
		capture.Breadcrumb(ctx, "send", "sent", h.now().Sub(began))
		return "sent", h.queue.Done(ctx, d, "sent")
	case isFailure && failure.Permanent:
		return "dead", errors.Join(err, h.queue.Dead(ctx, d, failure.Cause))
	case isFailure:
		return "retry", h.queue.Retry(ctx, d, failure.Cause, failure.RetryAfter)
	}
	return "retry", errors.Join(err, h.queue.Retry(ctx, d, "error", 0))
}

// failed reports what an operator should see.
func (h *handler) failed(ctx context.Context, err error) {
	capture.Error(ctx, err)
	lambdafn.Logger(ctx).Error("deliver", "err", err)
}
