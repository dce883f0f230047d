// Command deliver empties the outbox: on a schedule it claims due messages, delivers them, and polls for more.
//
// It signs links and checks the subscriber's state just before each send, so no email is sent after an unsubscribe, a
// decline or a suppression has committed. Only a failure of the email itself counts as an attempt. While the email
// service refuses everything, emails are released and retried later.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"

	"newsletter/shared/alert"
	"newsletter/shared/field"
	"newsletter/shared/lambdafn"
	"newsletter/shared/outbox"
	"newsletter/shared/postgres"
	"newsletter/shared/privacy"
	"newsletter/shared/subscription"
)

const (
	// lease is the duration of a claim.
	lease = 60 * time.Second
	// timeToSend bounds one delivery: the send, and the database calls before and after it. No send starts with less
	// time left of its lease or of the invocation.
	timeToSend = 20 * time.Second
	// endEvery is the least interval between two searches for overdue emails.
	endEvery = time.Minute
	// pollEvery is the interval between polls of an empty outbox.
	pollEvery = 2 * time.Second
	// minThrottle and maxThrottle bound the pause after the email service throttled a send. Its rates are per second.
	minThrottle, maxThrottle = time.Second, 10 * time.Second
)

type subscribers interface {
	CheckSend(ctx context.Context, d outbox.Delivery) (outbox.Delivery, subscription.Recipient, subscription.SendDecision, error)
	ReleaseSlots(ctx context.Context, exempt subscription.Exemptions) error
	ChangeEvent(ctx context.Context, eventID uuid.UUID) (subscription.ChangeEvent, bool, error)
	Recipients(ctx context.Context, subscriberIDs ...uuid.UUID) (map[uuid.UUID]subscription.Recipient, error)
	FindByPseudonym(ctx context.Context, emailHMAC []byte) (subscription.Recipient, error)
	UnsubscribeElsewhere(ctx context.Context, subscriberID uuid.UUID, at time.Time, visit subscription.Visit) (subscription.Outcome, error)
	Fields(ctx context.Context, subscriberID uuid.UUID) (field.Values, error)
	Origins(ctx context.Context, eventIDs ...uuid.UUID) (map[uuid.UUID]subscription.Origin, error)
}

type handler struct {
	config        deliverConfig
	db            *postgres.DB
	queue         *outbox.Worker
	subscribers   subscribers
	writer        writer
	sender        sender
	destinations  destinations
	alerts        *alert.Store
	bursts        burstDetector // nil disables burst detection
	vault         *outbox.Vault
	domainLimiter *domainLimiter
	// recipients are the services that receive personal data; recorded is true once they are in the database.
	recipients []privacy.Service
	recorded   bool
	exempt     subscription.Exemptions // from the slots of sign-ups
	nextEnd    time.Time               // of overdue emails
	now        func() time.Time
}

var errNotATick = errors.New("the event is neither a scheduled event nor empty")

// result is the response to an invocation: the number of deliveries by outcome.
type result struct {
	Outcomes map[outbox.Outcome]int `json:"outcomes"`
}

// event drains the outbox and polls until Linger ends. It returns early with an error when the email service refuses
// everything until the owner acts.
func (h *handler) event(ctx context.Context, event json.RawMessage) (any, error) {
	if !lambdafn.IsScheduleInput(event) {
		return nil, errNotATick
	}
	if !h.recorded { // before any personal data is sent
		if err := privacy.Record(ctx, h.db, h.recipients, h.now()); err != nil {
			return nil, err
		}
		h.recorded = true
	}
	r := newRun(h)
	defer r.noteOutcomes(ctx)
	r.checkBreaker(ctx)
	if now := h.now(); !now.Before(h.nextEnd) { // it reads all that waits
		ended, err := h.queue.EndOverdue(ctx)
		if err != nil {
			return nil, err
		}
		h.nextEnd = now.Add(endEvery)
		r.countIfAny(outbox.Outdated, ended)
	}
	end := h.now().Add(h.config.Linger)
	for h.hasTime(ctx) {
		err := h.subscribers.ReleaseSlots(ctx, h.exempt)
		leaseEnds := h.now().Add(lease) // read before the claim: never later than the real end
		var claimed []outbox.Delivery
		if err == nil {
			claimed, err = r.claim(ctx)
		}
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			return nil, err
		}
		pause, err := r.batch(ctx, claimed, leaseEnds)
		if err != nil {
			return nil, err
		}
		if len(claimed) == 0 {
			pause = pollEvery
			if h.now().Add(pause).After(end) {
				break
			}
		}
		if !wait(ctx, pause) {
			break
		}
	}
	return result{r.outcomes}, nil
}

// hasTime reports whether a send that begins now ends before the invocation does.
func (h *handler) hasTime(ctx context.Context) bool {
	deadline, found := ctx.Deadline()
	return ctx.Err() == nil && (!found || deadline.Sub(h.now()) > timeToSend)
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
