package subscription

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/shared/ledger"
	"newsletter/shared/outbox"
)

// The outcomes of RequestLink.
const (
	LinkQueued     Outcome = "link_queued"      // an email with the link will go out
	LinkOverBudget Outcome = "link_over_budget" // enough such emails went there lately
	LinkUnknown    Outcome = "link_unknown"     // nobody is known there for whom the link would do anything
	LinkSuppressed Outcome = "link_suppressed"  // the address gets no email at all
)

// LinkRequest is somebody who typed an address to get a link by mail.
type LinkRequest struct {
	Address Address
	// Purpose is UnsubscribeLinkEmail, ExportLinkEmail or EraseLinkEmail.
	Purpose Purpose
	Visit   Visit
	// Reasons are the names of the checks that spoke against the request. They are recorded.
	Reasons []string
	// Drop records the request and does nothing else.
	Drop bool
}

// What a request for a link writes less to the write-ahead log than one that is emailed (PostgreSQL 15), made up for by a
// message that nobody reads: measured, and held to by the test of what an observer can tell.
const (
	paddingNobody = 120 // nobody is known
	paddingNoMail = 40  // somebody is, and gets none
)

const padSQL = `
select pg_logical_emit_message(true, 'newsletter', repeat('.', $1::integer))`

// RequestLink queues an email with a link for a known address. Whatever is known, it runs the same statements in two round
// trips and commits one ledger event, one entry of the email log and one outbox row. An address that is not known is
// never emailed and nothing of it is kept but the entry of the email log, under a keyed hash and for a day. The outcome is
// for logs only. The error is the database's.
func (s *Store) RequestLink(ctx context.Context, r LinkRequest) (Outcome, error) {
	lock, eventID, names := s.foldLock(r.Address), newID(), newPseudonyms(s.key, r.Address)
	var known row
	var held silence
	var mailed SentEmails
	var outcome, repeated Outcome
	err := s.transact(ctx, lock,
		func(b *pgx.Batch, before time.Time) {
			known, held, mailed, repeated = row{}, silence{}, newMailed(before), ""
			known.loadByNorm(b, r.Address.Normalized, lock)
			held.loadByAddress(b, names, before)
			mailed.load(b, names.fold, string(UnsubscribeLinkEmail), string(ExportLinkEmail), string(EraseLinkEmail))
			loadOutcome(b, eventID, &repeated)
		},
		func(b *pgx.Batch, now time.Time) error {
			if repeated != "" {
				outcome = repeated
				return nil
			}
			mailed.Now = now
			var mail Purpose
			outcome, mail = decideLink(r, known.state(), held, mailed)
			s.record(b, ledger.Event{
				ID: eventID, At: now, Kind: ledger.LinkRequested, SubscriberID: known.ID, Actor: ledger.Visitor,
				Data: ledger.Data{
					Outcome: string(outcome), Reasons: r.Reasons, Provider: Provider(r.Address.Domain), Purpose: string(r.Purpose),
				},
			}, r.Visit)
			mail.queue(b, names.fold, nil, outbox.Message{
				ID: newID(), Kind: mail.kind(), SubscriberID: known.ID, EventID: eventID, Epoch: known.Epoch, CreatedAt: now,
			})
			padding := 0
			switch {
			case !known.exists:
				padding = paddingNobody
			case mail == NoEmail:
				padding = paddingNoMail
			}
			b.Queue(padSQL, padding)
			return nil
		})
	if err != nil {
		return "", fmt.Errorf("request a link: %w", err)
	}
	return outcome, nil
}

// decideLink reports whether the link is emailed. An unsubscribe link goes to whom it would take something from; the links
// to a person's data go to everybody who has data, except where all email has ended (requests by letter remain).
func decideLink(r LinkRequest, state State, held silence, mailed SentEmails) (Outcome, Purpose) {
	useful := state == Pending || state == Active || (state == Unsubscribed && r.Purpose != UnsubscribeLinkEmail)
	switch {
	case r.Drop:
		return Dropped, NoEmail
	case held.why() != "" || state == Suppressed:
		return LinkSuppressed, NoEmail
	case !useful:
		return LinkUnknown, NoEmail
	case !mailed.Allows(r.Purpose):
		return LinkOverBudget, NoEmail
	}
	return LinkQueued, r.Purpose
}
