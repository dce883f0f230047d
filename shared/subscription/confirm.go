package subscription

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/ledger"
	"newsletter/shared/token"
)

// Confirm activates the subscription of a verified confirm token and records the consent to the text that the
// confirmation page shows (ConsentText). It accepts any token of the current epoch, so a second email does not
// invalidate the link in the first one. Confirming again succeeds and records nothing. The error is ErrUnknown for an
// unknown or outdated link, or the database's.
func (s *Store) Confirm(ctx context.Context, link token.Link, visit Visit) (Outcome, error) {
	lock, eventID := s.subscriberLock(link.SubscriberID), newID()
	var r row
	var sup suppressions
	var asked consentRequest
	var outcome Outcome
	err := s.transact(ctx, lock,
		func(b *pgx.Batch, before time.Time) {
			r, sup, asked = row{}, suppressions{}, consentRequest{}
			r.loadByID(b, link.SubscriberID, lock)
			sup.loadByID(b, link.SubscriberID, before)
			asked.load(b, link)
		},
		func(b *pgx.Batch, now time.Time) error {
			d := transition(facts{State: sup.state(r), Returning: r.Returning, Muted: sup.muted()}, onConfirm)
			if d.Refused || r.Epoch != link.Epoch || !asked.found {
				return ErrUnknown
			}
			outcome = d.Outcome
			if d.Ledger == "" {
				return nil
			}
			event := r.event(Pending, d)
			event.ID, event.At, event.Actor = eventID, now, ledger.Subscriber
			event.ConsentTextID, event.Data.RequestEvent, event.Data.Workflow = asked.textID, link.EventID.String(), doubleOptIn
			s.record(b, event, visit)
			r.apply(b, d, now)
			enqueueChange(b, event, r.Epoch, nil)
			return nil
		})
	if err != nil {
		return "", fmt.Errorf("confirm subscription: %w", err)
	}
	return outcome, nil
}

// A consentRequest is the sign-up of a confirm token, with the text that the confirmation page shows for it.
type consentRequest struct {
	found  bool
	textID uuid.UUID // uuid.Nil if there is none
}

const consentRequestSQL = `
select coalesce(consent_text_id::text, data->>'text_to_show', '') from ledger_events
where id = $1::text::uuid and subscriber_id = $2::text::uuid and kind = $3::text`

func (q *consentRequest) load(b *pgx.Batch, link token.Link) {
	b.Queue(consentRequestSQL, link.EventID.String(), link.SubscriberID.String(), string(ledger.Requested)).
		QueryRow(func(found pgx.Row) error {
			err := found.Scan(&q.textID)
			q.found = err == nil
			return ignoreNoRows(err)
		})
}

const shownConsentSQL = `
select t.version, t.locale, t.body
from ledger_events e join consent_texts t on t.id = coalesce(e.consent_text_id, (e.data->>'text_to_show')::uuid)
where e.id = $1::text::uuid and e.subscriber_id = $2::text::uuid and e.kind = $3::text`

// ConsentText is a text that subscribers agree to.
type ConsentText struct {
	Version string
	Locale  ledger.Locale
	Body    string
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
				return ignoreNoRows(found.Scan(&text.Version, (*string)(&text.Locale), &text.Body))
			})
	})
	if err != nil {
		return ConsentText{}, fmt.Errorf("read the consent text of a sign-up: %w", err)
	}
	return text, nil
}
