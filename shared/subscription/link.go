package subscription

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/shared/ledger"
	"newsletter/shared/outbox"
)

// The outcomes of RequestLink.
const (
	LinkQueued     Outcome = "link_queued"      // the email with the link is queued
	LinkOverBudget Outcome = "link_over_budget" // the mailbox budget is used up
	LinkUnknown    Outcome = "link_unknown"     // the link would do nothing for this address
	LinkSuppressed Outcome = "link_suppressed"  // the address is suppressed
)

// LinkRequest is a visitor's request for a link by email.
type LinkRequest struct {
	Address Address
	// Email is UnsubscribeLinkEmail, ExportLinkEmail or EraseLinkEmail.
	Email Email
	Visit Visit
	// Reasons are the checks that the request failed, for the ledger.
	Reasons []string
	// Drop only records the request.
	Drop bool
}

// A link request without an email writes this many bytes less to the write-ahead log than one with an email (PostgreSQL
// 15). An unused message makes up for it. The values are measured, and TestEveryStateLooksTheSame checks them.
const (
	paddingUnknown = 70 // the address is unknown
	paddingNoEmail = 1  // the address is known, and no email is sent
)

// RequestLink enqueues an email with a link to a known address. For every address it runs the same statements in two
// round trips and commits one ledger event, one entry of the email log and one message. An unknown address is never
// emailed; only the entry of the email log is kept for it, under a keyed hash. The outcome is for logs only. The error
// is the database's.
func (s *Store) RequestLink(ctx context.Context, r LinkRequest) (Outcome, error) {
	lock, eventID, hashes := s.mailboxLock(r.Address), newID(), newPseudonyms(s.key, r.Address)
	var loaded addressState
	var outcome Outcome
	err := s.transact(ctx, lock,
		func(b *pgx.Batch, before time.Time) {
			loaded.load(b, before, lock, eventID, r.Address.Normalized, hashes, 0, nil)
		},
		func(b *pgx.Batch, now time.Time) error {
			if loaded.recorded != "" {
				outcome = loaded.recorded
				return nil
			}
			loaded.sentEmails.Now = now
			var email Email
			outcome, email = decideLink(r, loaded.row.state(), loaded.suppressions, loaded.sentEmails)
			padding := 0
			switch {
			case !loaded.row.exists:
				padding = paddingUnknown
			case email == NoEmail:
				padding = paddingNoEmail
			}
			effect{
				change: rowNone, padding: padding, hashes: hashes, visit: r.Visit, purpose: email.logged(),
				event: ledger.Event{
					ID: eventID, At: now, Kind: ledger.LinkRequested, SubscriberID: loaded.row.ID, Actor: ledger.Visitor,
					Data: ledger.Data{
						Outcome: string(outcome), Reasons: r.Reasons, Provider: r.Address.Provider, Purpose: string(r.Email),
					},
				},
				message: outbox.Message{ID: newID(), Kind: email.Kind(), Epoch: loaded.row.Epoch},
			}.write(b)
			return nil
		})
	if err != nil {
		return "", fmt.Errorf("request a link: %w", err)
	}
	return outcome, nil
}

// decideLink decides whether the link is sent. An unsubscribe link is sent if there is a subscription to end. A link to
// personal data is sent if there is data, except to suppressed addresses, whose holders can send a letter.
func decideLink(r LinkRequest, state State, sup suppressions, sent sentEmails) (Outcome, Email) {
	switch {
	case r.Drop:
		return Dropped, NoEmail
	case sup.forbidsLinks() || state == Suppressed:
		return LinkSuppressed, NoEmail
	case !slices.Contains(r.Email.row().states, state):
		return LinkUnknown, NoEmail
	case !sent.Allows(r.Email):
		return LinkOverBudget, NoEmail
	}
	return LinkQueued, r.Email
}
