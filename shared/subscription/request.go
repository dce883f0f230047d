package subscription

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/apikey"
	"newsletter/shared/field"
	"newsletter/shared/ledger"
	"newsletter/shared/outbox"
)

// Consent is what the form reports about consent.
type Consent struct {
	// Granted is true if the box was ticked. The confirmation is the actual consent.
	Granted bool
	// TextVersion is the version of the text that the form showed; empty if the form names none. A version that does not
	// exist is noted as cleaned and counts as none. The confirmation page then shows the current one.
	TextVersion string
}

// Request is an admitted sign-up.
type Request struct {
	Address Address
	Locale  ledger.Locale // of the form
	Consent Consent
	Source  ledger.Source // as far as it is declared; Visit.Sent has all of it
	Visit   Visit
	// Reasons are the checks that the request failed, and Cleaned the fields that were cleaned, for the ledger.
	Reasons, Cleaned []string
	// Fields are the values of declared fields. They are the subscriber's once this sign-up is confirmed.
	Fields field.Values
	// Hold is the reason to hold the email until the owner releases it; empty to send it. A held request must be
	// confirmed even with SingleOptIn.
	Hold string
	// OptIn is how the request becomes a subscription. The zero value asks for a confirmation.
	OptIn OptIn

	rectifies uuid.UUID // the id of the event, for a subscriber's new address (Rectify)
}

// A requestTx is the state of one sign-up in its transaction.
type requestTx struct {
	Request
	now      time.Time // under the lock
	eventID  uuid.UUID
	newRowID uuid.UUID // of the row, if there is to be a new one
	hashes   pseudonyms
	// domain and network are the pseudonyms by which slots are counted; nil at a known provider.
	domain, network []byte

	addressState
}

// Request records a sign-up and applies its decision. In every state of the address it runs the same statements in two
// round trips and commits one ledger event and one message, so neither the answer nor its timing reveals the state. The
// outcome is for logs only. The error is apikey.ErrInvalid or apikey.ErrScope for a server whose key does not allow it, or
// the database's; the request may then be recorded or not, and repeating it is
// harmless.
func (s *Store) Request(ctx context.Context, r Request) (Outcome, error) {
	tx := &requestTx{Request: r, eventID: newID(), newRowID: newID(), hashes: newPseudonyms(s.key, r.Address)}
	if r.rectifies != uuid.Nil {
		tx.eventID = r.rectifies
	}
	if tx.domain = s.limitedDomain(r.Address); tx.domain != nil {
		tx.network = s.key.SlotNetwork(slotNetwork(r.Visit.Client.IP))
	}
	lock := s.mailboxLock(r.Address)
	var outcome Outcome
	err := s.transact(ctx, lock,
		func(b *pgx.Batch, before time.Time) {
			tx.load(b, before, addressQuery{
				lock: lock, eventID: tx.eventID, normalized: r.Address.Normalized, hashes: tx.hashes,
				domain: tx.domain, network: tx.network, text: &textWanted{r.Consent.TextVersion, r.Locale}, key: r.Visit.Key,
			})
		},
		func(b *pgx.Batch, now time.Time) error {
			tx.now = now
			if r.Visit.Key != nil {
				if err := tx.key.Check(*r.Visit.Key, apikey.SignUp); err != nil {
					return err
				}
			}
			if tx.recorded != "" {
				outcome = tx.recorded
				return nil
			}
			d := tx.decide()
			outcome = d.Outcome
			tx.effect(d).write(b)
			return nil
		})
	if err != nil {
		return "", fmt.Errorf("record a sign-up: %w", err)
	}
	return outcome, nil
}

func (t *requestTx) decide() decision {
	return transition(facts{
		State:       t.state(),
		Returning:   t.row.Returning,
		Muted:       t.suppressions.muted(),
		Objected:    t.suppressions.reason == Objection,
		SingleOptIn: t.OptIn == SingleOptIn && t.Hold == "",
	}, onRequest)
}

// effect returns what a decision stores: for every decision one event, one message and, if one is free, one slot.
func (t *requestTx) effect(d decision) effect {
	from := t.state()
	shown, toShow := t.consent.record()
	version, cleaned := t.Consent.TextVersion, t.Cleaned
	if version != "" && !t.consent.named {
		version = ""
		if !slices.Contains(cleaned, "text_version") {
			cleaned = append(slices.Clone(cleaned), "text_version")
		}
	}
	kind := d.Email.Kind()
	if d.Outcome == Activated {
		kind = outbox.Change
	}
	purpose := ""
	if t.rectifies != uuid.Nil {
		purpose = string(RightOfRectification)
		if d.Email == ConfirmEmail {
			kind = RectifyEmail.Kind()
		}
	}
	e := effect{hashes: t.hashes, visit: t.Visit}
	due := t.now
	if t.domain != nil {
		at, free := nextSlot(t.now, t.slots)
		if due = at; free {
			e.slot = &slotTaken{t.network, firstOfNetwork(t.now, t.slots), at}
		}
	}
	e.change, e.padding = t.change(d)
	e.row = t.row
	if moves(d) {
		e.fields = t.Fields
	} else if values := t.Fields.JSON(); values != "" {
		e.padding += paddingFields + len(values)
	}
	e.event = ledger.Event{
		ID: t.eventID, At: t.now, Kind: d.Ledger, SubscriberID: t.row.ID, Actor: ledger.Visitor,
		Source: t.Source, ConsentTextID: shown,
		Data: ledger.Data{
			Outcome: string(d.Outcome), Reasons: t.Reasons, Cleaned: cleaned, Provider: t.Address.Provider,
			From: string(from), To: string(d.To), Returning: d.Returning, Granted: t.Consent.Granted, Locale: t.Locale,
			Workflow: d.workflow(t.OptIn), TextVersion: version, TextToShow: toShow, Purpose: purpose,
		},
	}
	e.message = outbox.Message{ID: newID(), Kind: kind, Epoch: t.row.Epoch, DueAt: due, DomainHMAC: t.domain, HoldReason: t.Hold}
	return e
}

// The other writes put this many bytes less into the write-ahead log than a new row (PostgreSQL 15). The values are
// measured, and TestEveryStateLooksTheSame checks them.
const (
	paddingMoved  = 210 // an update with new index entries, instead of two rows with theirs
	paddingStays  = 540 // an update without new index entries
	paddingAbsent = 820 // no row
	paddingFields = 200 // no values of declared fields, besides their length
)

// moves reports whether a decision makes a sign-up pending or active.
func moves(d decision) bool { return d.Outcome == ConfirmationQueued || d.Outcome == Activated }

// change updates the row. A request that does not change the state writes an existing row unchanged and creates no new
// one.
func (t *requestTx) change(d decision) (change rowChange, padding int) {
	switch {
	case !moves(d) && t.row.exists:
		return rowUpdate, paddingStays
	case !moves(d):
		return rowNone, paddingAbsent
	case t.row.exists:
		change, padding = rowUpdate, paddingMoved
	default:
		change = rowInsert
		t.row = row{exists: true, ID: t.newRowID, EmailNorm: t.Address.Normalized, Epoch: 1, Source: t.Source}
	}
	t.row.Email, t.row.Locale = t.Address.Mailbox, t.Locale
	t.row.Status, t.row.Returning = d.To, d.Returning
	t.row.RequestEventID, t.row.RequestedAt = t.eventID, t.now
	if d.To == Active {
		t.row.ConfirmedAt = &t.now
	}
	return change, padding
}
