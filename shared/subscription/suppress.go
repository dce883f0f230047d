package subscription

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/audit"
)

// Suppression is why and for whom all mail ends.
type Suppression struct {
	// SubscriberID is the person. Their row may be gone.
	SubscriberID uuid.UUID
	// Address is who is meant if SubscriberID is uuid.Nil.
	Address Address
	Reason  SuppressReason
	// Actor is who decided: audit.Provider for complaints and bounces.
	Actor audit.Actor
	Visit Visit
}

// Suppress ends all mail to a person until an operator lifts it: the row, if there is one, is suppressed, its links end,
// and the address is remembered as a keyed hash, so that neither a new request nor an import mails it again. Doing it
// again succeeds and records nothing. The error is the database's.
func (s *Store) Suppress(ctx context.Context, p Suppression) (Outcome, error) {
	now, eventID, names := s.clock(), newID(), newPseudonyms(s.key, p.Address)
	byAddress := p.SubscriberID == uuid.Nil
	lock := s.subscriberLock(p.SubscriberID)
	if byAddress {
		lock = s.foldLock(p.Address)
	}
	var r row
	var held silence
	var outcome Outcome
	err := s.transact(ctx, lock,
		func(b *pgx.Batch) {
			r, held = row{}, silence{}
			if byAddress {
				r.loadByNorm(b, p.Address.Norm, lock)
				held.loadByEmail(b, names.email, now)
				return
			}
			r.loadPerson(b, p.SubscriberID, lock)
			held.loadByID(b, p.SubscriberID, now)
		},
		func(b *pgx.Batch) error {
			from := r.state()
			if !r.exists {
				from = held.state(r)
			}
			d := Transition(Facts{State: from, Returning: r.Returning}, OnSuppress)
			outcome = d.Outcome
			if d.Ledger == "" {
				return nil
			}
			event := audit.Event{
				ID: eventID, At: now, Kind: d.Ledger, SubscriberID: p.SubscriberID, Actor: p.Actor,
				Data: audit.Data{
					Outcome: string(d.Outcome), Reasons: []string{string(p.Reason)}, From: string(from), To: string(d.To),
				},
			}
			if r.exists {
				event.SubscriberID, event.Source = r.ID, r.Source
				event.Data.Provider, event.Data.Locale = r.provider(), r.Locale
			}
			s.record(b, event, p.Visit)
			if byAddress {
				b.Queue(suppressEmailSQL, names.email, names.keyID, string(p.Reason), now)
			} else {
				b.Queue(suppressPersonSQL, p.SubscriberID.String(), string(p.Reason), now)
			}
			if r.exists {
				r.apply(b, d, now)
			}
			return nil
		})
	if err != nil {
		return "", fmt.Errorf("suppress: %w", err)
	}
	return outcome, nil
}
