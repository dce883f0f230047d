package subscription

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/ledger"
	"newsletter/shared/outbox"
)

// reasonDomain is recorded where the cap on the emails to one domain was reached.
const reasonDomain = "domain_cap"

// ErrUnknownConsent means that a request names a version of the consent text that does not exist. Nothing was written.
var ErrUnknownConsent = errors.New("subscription: unknown version of the consent text")

// Consent is what the form said about consent.
type Consent struct {
	// Granted is that a box was ticked. Consent itself is given by the confirmation.
	Granted bool
	// TextVersion is the version of the text that the form showed; empty if it names none. The page with the button then
	// shows the current one.
	TextVersion string
}

// Request is an admitted sign-up.
type Request struct {
	Address Address
	Locale  string // BCP 47, of the form; empty for none
	Consent Consent
	Source  ledger.Source
	Visit   Visit
	// Reasons are the names of the checks that spoke against the request. They are recorded.
	Reasons []string
	// HeldEmail is why the email has to wait until the owner releases it, in a word or two; empty if it has not to. A held
	// request has to be confirmed even where others are not.
	Hold string
	// OptIn is how the request becomes a subscription. The zero value asks for a confirmation.
	OptIn OptIn
	// Drop records the request and does nothing else: it was taken for a robot's.
	Drop bool
}

// requestTx is one sign-up on its way through the transaction.
type requestTx struct {
	Request
	now     time.Time // under the lock
	eventID uuid.UUID
	freshID uuid.UUID // of the row, if there is to be a new one
	names   pseudonyms

	row      row
	silence  silence
	mailed   SentEmails
	consent  consentText
	repeated Outcome // what an earlier run of this transaction did, whose answer was lost
}

// Request records a sign-up and decides what comes of it. Whatever the state of the address, it runs the same statements
// in two round trips and commits one ledger event, one entry of the email log and one outbox row, so that neither the
// answer nor the time it takes tells an observer anything. The outcome is for logs only. The error is ErrUnknownConsent
// or the database's; after the latter the request may or may not be recorded, and repeating it is harmless.
func (s *Store) Request(ctx context.Context, r Request) (Outcome, error) {
	r.Locale = cleanLocale(r.Locale)
	tx := &requestTx{Request: r, eventID: newID(), freshID: newID(), names: s.pseudonyms(r.Address)}
	lock := s.foldLock(r.Address)
	var outcome Outcome
	err := s.transact(ctx, lock,
		func(b *pgx.Batch, before time.Time) { tx.load(b, before, lock, s.domainCap.Limit) },
		func(b *pgx.Batch, now time.Time) error {
			tx.now, tx.mailed.Now = now, now
			if tx.repeated != "" {
				outcome = tx.repeated
				return nil
			}
			if tx.consent.missing(r.Consent.TextVersion) {
				return ErrUnknownConsent
			}
			d := tx.decide()
			outcome = d.Outcome
			tx.write(b, s, d)
			return nil
		})
	if err != nil {
		return "", fmt.Errorf("request a subscription: %w", err)
	}
	return outcome, nil
}

// load queues the reads. The row comes first: waiting for its lock, the reads after it see what its holder committed.
func (t *requestTx) load(b *pgx.Batch, before time.Time, lock int64, domainCap int) {
	t.row, t.silence, t.mailed, t.consent, t.repeated = row{}, silence{}, newMailed(before), consentText{}, ""
	t.row.loadByNorm(b, t.Address.Normalized, lock)
	t.silence.loadByAddress(b, t.names, before)
	t.mailed.load(b, t.names.fold, string(ConfirmEmail), string(AlreadySubscribedEmail))
	t.mailed.loadDomain(b, t.names.domain, domainCap)
	t.consent.load(b, t.Consent.TextVersion, t.Locale)
	loadOutcome(b, t.eventID, &t.repeated)
}

func (t *requestTx) decide() Decision {
	f := Facts{
		State:       t.silence.state(t.row),
		Returning:   t.row.Returning,
		Muted:       t.silence.hushed(),
		Objected:    t.silence.reason == Objection,
		SingleOptIn: t.OptIn == SingleOptIn && t.Hold == "",
		SentEmails:  t.mailed,
	}
	if t.Drop {
		return dropped(f)
	}
	return Transition(f, OnRequest)
}

// write queues the same statements whatever was decided.
func (t *requestTx) write(b *pgx.Batch, s *Store, d Decision) {
	from, reasons := t.silence.state(t.row), t.Reasons
	if t.mailed.DomainLimitReached {
		reasons = append(slices.Clone(reasons), reasonDomain)
	}
	shown, toShow := t.consent.record(t.Consent.TextVersion)
	padding := t.change(d)
	t.row.save(b, padding)
	t.names.save(b, t.row.ID, t.row.exists)
	s.record(b, ledger.Event{
		ID: t.eventID, At: t.now, Kind: d.Ledger, SubscriberID: t.row.ID, Actor: ledger.Visitor,
		Source: t.Source, ConsentTextID: shown,
		Data: ledger.Data{
			Outcome: string(d.Outcome), Reasons: reasons, Provider: Provider(t.Address.Domain),
			From: string(from), To: string(d.To), Returning: d.Returning, Granted: t.Consent.Granted, Locale: t.Locale,
			Workflow: d.workflow(t.OptIn), TextVersion: t.Consent.TextVersion, TextToShow: toShow,
		},
	}, t.Visit)
	kind := d.Email.kind()
	if d.Outcome == Activated {
		kind = outbox.Change
	}
	d.Email.queue(b, t.names.fold, t.names.domain, outbox.Message{
		ID: newID(), Kind: kind, SubscriberID: t.row.ID, EventID: t.eventID, Epoch: t.row.Epoch, CreatedAt: t.now,
		HoldReason: t.Hold,
	})
}

// How many bytes less than a new row the other ways to save write to the write-ahead log (PostgreSQL 15): measured, and
// held to by the test of what an observer can tell.
const (
	paddingMoved  = 210 // an update with new index entries, instead of two rows with theirs
	paddingStays  = 540 // an update without
	paddingAbsent = 870 // nothing
)

// change brings the row up to date and returns the padding for it. A person who has no row and gets none stays without;
// a row that the request does not move is written as it was.
func (t *requestTx) change(d Decision) (padding int) {
	moves := d.Outcome == ConfirmationQueued || d.Outcome == ConfirmationOverBudget || d.Outcome == Activated
	switch {
	case !moves && t.row.exists:
		return paddingStays
	case !moves:
		return paddingAbsent
	case t.row.exists:
		padding = paddingMoved
	default:
		t.row = row{exists: true, ID: t.freshID, EmailNorm: t.Address.Normalized, Epoch: 1, Source: t.Source.Clean()}
	}
	t.row.Email, t.row.Locale = t.Address.Mailbox, t.Locale
	t.row.Status, t.row.Returning = d.To, d.Returning
	t.row.RequestEventID, t.row.RequestedAt = t.eventID, t.now
	if d.To == Active {
		t.row.ConfirmedAt = &t.now
	}
	return padding
}

// cleanLocale returns a language tag's characters, or nothing if there are others or more than a tag has (BCP 47 §4.4.1).
func cleanLocale(locale string) string {
	const longest = 35
	for i := range len(locale) {
		if c := locale[i]; !isAlphanumeric(c) && c != '-' {
			return ""
		}
	}
	if len(locale) > longest {
		return ""
	}
	return locale
}
