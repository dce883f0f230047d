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
	LinkQueued     Outcome = "link_queued"     // the email with the link is queued
	LinkUnknown    Outcome = "link_unknown"    // the link would do nothing for this address
	LinkSuppressed Outcome = "link_suppressed" // the address is suppressed
)

// LinkRequest is a visitor's request for a link by email.
type LinkRequest struct {
	Address Address
	// Email is UnsubscribeLinkEmail, ExportLinkEmail or EraseLinkEmail.
	Email Email
	Visit Visit
	// Reasons are the checks that the request failed, and Cleaned the fields that were cleaned, for the ledger.
	Reasons, Cleaned []string
	// Hold is the reason to hold the email until the owner releases it; empty to send it.
	Hold string
}

// paddingUnknown is what a link request for an unknown address writes less to the write-ahead log (PostgreSQL 15). It is
// measured, and TestEveryStateLooksTheSame checks it.
const paddingUnknown = 110

// RequestLink enqueues an email with a link to a known address. For every address it runs the same statements in two
// round trips and commits one ledger event and one message. An unknown address is never emailed. The outcome is for
// logs only. The error is the database's.
func (s *Store) RequestLink(ctx context.Context, r LinkRequest) (Outcome, error) {
	lock, eventID, hashes := s.mailboxLock(r.Address), newID(), newPseudonyms(s.key, r.Address)
	var loaded addressState
	var outcome Outcome
	err := s.transact(ctx, lock,
		func(b *pgx.Batch, before time.Time) {
			loaded.load(b, before, addressQuery{lock: lock, eventID: eventID, normalized: r.Address.Normalized, hashes: hashes})
		},
		func(b *pgx.Batch, now time.Time) error {
			if loaded.recorded != "" {
				outcome = loaded.recorded
				return nil
			}
			var email Email
			outcome, email = decideLink(r, loaded.row.state(), loaded.suppressions)
			padding := 0
			if !loaded.row.exists {
				padding = paddingUnknown
			}
			effect{
				change: rowNone, padding: padding, hashes: hashes, visit: r.Visit,
				event: ledger.Event{
					ID: eventID, At: now, Kind: ledger.LinkRequested, SubscriberID: loaded.row.ID, Actor: ledger.Visitor,
					Data: ledger.Data{
						Outcome: string(outcome), Reasons: r.Reasons, Cleaned: r.Cleaned, Provider: r.Address.Provider, Purpose: string(r.Email),
					},
				},
				message: outbox.Message{
					ID: newID(), Kind: email.Kind(), Epoch: loaded.row.Epoch, DomainHMAC: s.limitedDomain(r.Address), HoldReason: r.Hold,
				},
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
func decideLink(r LinkRequest, state State, sup suppressions) (Outcome, Email) {
	switch {
	case sup.forbidsLinks() || state == Suppressed:
		return LinkSuppressed, NoEmail
	case !slices.Contains(r.Email.row().states, state):
		return LinkUnknown, NoEmail
	}
	return LinkQueued, r.Email
}
