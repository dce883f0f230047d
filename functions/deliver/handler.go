// Command deliver empties the outbox: by schedule it claims what is due, sends it, and lingers for more.
//
// It signs the links at the moment of sending, and asks at the last moment how the person stands, so that no mail leaves
// after an unsubscription, cancellation or suppression has committed. Only one failure of a mail counts against it: its
// own. While the mail service takes nothing from anybody, mails wait.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/google/uuid"

	"newsletter/shared/alert"
	"newsletter/shared/email"
	"newsletter/shared/lambdafn"
	"newsletter/shared/outbox"
	"newsletter/shared/postgres"
	"newsletter/shared/privacy"
	"newsletter/shared/subscription"
)

const (
	// lease is how long a claim keeps others away.
	lease = 60 * time.Second
	// timeToSend is what one delivery takes at most: a send and the database before and after it. No send begins with
	// less than that left of its lease or of the invocation.
	timeToSend = 20 * time.Second
	// pollEvery is the pause between two looks into an empty outbox.
	pollEvery = 2 * time.Second
	// minThrottle and maxThrottle bound the pause after the mail service asked for one. Its rates are per second.
	minThrottle, maxThrottle = time.Second, 10 * time.Second
)

type subscribers interface {
	CheckSend(ctx context.Context, d outbox.Delivery) (subscription.Recipient, subscription.SendDecision, error)
	ChangeEvent(ctx context.Context, eventID uuid.UUID) (subscription.ChangeEvent, bool, error)
	Recipients(ctx context.Context, subscriberIDs ...uuid.UUID) (map[uuid.UUID]subscription.Recipient, error)
	FindByPseudonym(ctx context.Context, emailHMAC []byte) (subscription.Recipient, error)
	Origins(ctx context.Context, eventIDs ...uuid.UUID) (map[uuid.UUID]subscription.Origin, error)
}

type sender interface {
	Send(ctx context.Context, m email.Message) (string, error)
}

type handler struct {
	config        Config
	db            *postgres.DB
	queue         *outbox.Worker
	subscribers   subscribers
	writer        writer
	sender        sender
	destinations  destinations
	alerts        *alert.Store
	bursts        burstDetector // nil: they are not looked for
	vault         *outbox.Vault
	domainLimiter *domainLimiter
	// recipients are the services that receive personal data; recorded is true once they are in the database.
	recipients []privacy.Service
	recorded   bool
	now        func() time.Time
}

var errNotATick = errors.New("the event is neither a tick of the schedule nor empty")

// result is the answer to an invocation: how many deliveries ended how.
type result struct {
	Outcomes map[string]int `json:"outcomes"`
}

// event drains the outbox, then lingers. It ends early with an error when the mail service refuses everything.
func (h *handler) event(ctx context.Context, event json.RawMessage) (any, error) {
	if !lambdafn.IsScheduleInput(event) {
		return nil, errNotATick
	}
	if !h.recorded { // before anything is passed on
		if err := privacy.Record(ctx, h.db, h.recipients, h.now()); err != nil {
			return nil, err
		}
		h.recorded = true
	}
	r := newRun(h)
	defer r.noteOutcomes(ctx)
	r.checkBreaker(ctx)
	end := h.now().Add(h.config.Linger)
	for h.hasTime(ctx) {
		leaseEnds := h.now().Add(lease) // read before the claim, so that it is not later than the lease's own end
		claimed, err := h.queue.Claim(ctx, h.config.Batch, lease)
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

// hasTime says whether a send that begins now ends before the invocation does.
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
