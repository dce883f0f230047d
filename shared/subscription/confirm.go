package subscription

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/shared/ledger"
	"newsletter/shared/outbox"
	"newsletter/shared/token"
)

// Confirm activates the subscription of a verified confirm token and records the consent to the text that the
// confirmation page shows (ConsentText). It accepts any token of the current epoch, so a second email does not
// invalidate the link in the first one. The sign-up of a subscriber's new address (Rectify) moves that subscription
// instead. Confirming again succeeds and records nothing. The error is ErrUnknown for an unknown or outdated link, or
// the database's.
func (s *Store) Confirm(ctx context.Context, link token.Link, visit Visit) (Outcome, error) {
	lock, eventID := s.subscriberLock(link.SubscriberID), newID()
	var loaded linkState
	var moving move
	var outcome Outcome
	err := s.transact(ctx, lock,
		func(b *pgx.Batch, before time.Time) {
			loaded.load(b, before, lock, link.SubscriberID, false, link.EventID)
			moving.load(b, link)
		},
		func(b *pgx.Batch, now time.Time) error {
			r, sup := loaded.row, loaded.suppressions
			if moving.done() {
				outcome = AlreadyConfirmed
				return nil
			}
			d := transition(facts{State: sup.state(r), Returning: r.Returning, Muted: sup.muted()}, onConfirm)
			if d.Refused || r.Epoch != link.Epoch || !loaded.requested {
				return ErrUnknown
			}
			outcome = d.Outcome
			if d.Ledger == "" {
				return nil
			}
			if moving.found {
				outcome = AddressChanged
				return moving.write(b, s, r, link.EventID, loaded.textID, visit, now)
			}
			event := r.event(Pending, d)
			event.ID, event.At, event.Actor = eventID, now, ledger.Subscriber
			event.ConsentTextID, event.Data.RequestEvent, event.Data.Workflow = loaded.textID, link.EventID.String(), doubleOptIn
			effect{
				row: r.after(d, now), change: rowUpdate, event: event, visit: visit,
				message: outbox.Message{ID: newID(), Kind: outbox.Change, Epoch: r.Epoch},
			}.write(b)
			adoptFields(b, link.SubscriberID, link.EventID, now)
			return nil
		})
	if err != nil {
		return "", fmt.Errorf("confirm subscription: %w", err)
	}
	return outcome, nil
}

const shownConsentSQL = `
select t.version, t.locale, t.body, coalesce(e.data->>'purpose', '') = 'rectify'
from ledger_events e join consent_texts t on t.id = coalesce(e.consent_text_id, (e.data->>'text_to_show')::uuid)
where e.id = $1::text::uuid and e.subscriber_id = $2::text::uuid and e.kind = $3::text`

// ConsentText is a text that subscribers agree to.
type ConsentText struct {
	Version string
	Locale  ledger.Locale
	Body    string
	// Rectifies is true if the sign-up is a subscriber's change of address.
	Rectifies bool
}

// ConsentText returns the text for the confirmation page of a verified confirm token: the text that the form showed,
// else the text that was current at that time. It returns the zero ConsentText if there is none. It is one round trip
// and changes nothing.
func (s *Store) ConsentText(ctx context.Context, link token.Link) (ConsentText, error) {
	var text ConsentText
	err := s.db.Batch(ctx, func(b *pgx.Batch) {
		text = ConsentText{}
		b.Queue(shownConsentSQL, link.EventID.String(), link.SubscriberID.String(), string(ledger.Requested)).
			QueryRow(func(found pgx.Row) error {
				return ignoreNoRows(found.Scan(&text.Version, (*string)(&text.Locale), &text.Body, &text.Rectifies))
			})
	})
	if err != nil {
		return ConsentText{}, fmt.Errorf("read the consent text of a sign-up: %w", err)
	}
	return text, nil
}
