package subscription

import (
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype/zeronull"

	"newsletter/shared/apikey"
	"newsletter/shared/field"
	"newsletter/shared/ledger"
	"newsletter/shared/outbox"
)

// The transactions of the request path call one function that reads and one that writes, so that the server keeps
// their plans (docs/adr/0033). The functions decide nothing: what they return and store is decided here.

const requestLoadSQL = `
select * from request_load_v2($1::bigint, $2::text::uuid, $3::text, $4::bytea, $5::bytea, $6::timestamptz, $7::bytea, $8::bytea,
    $9::timestamptz, $10::text, $11::text, nullif($12::text, '')::uuid)`

// An addressState is what decides about a request for an address.
type addressState struct {
	row          row
	suppressions suppressions
	slots        []slot      // of the domain
	consent      consentText // only if a consent text was read
	key          apikey.Row  // of the server's key
	// recorded is the outcome of an earlier run of this transaction. A transaction is repeated when the answer to its
	// commit was lost. If the commit itself succeeded, there is nothing left to do.
	recorded Outcome
}

// An addressQuery is what to read about an address under its lock.
type addressQuery struct {
	lock            int64
	eventID         uuid.UUID
	normalized      string
	hashes          pseudonyms
	domain, network []byte      // pseudonyms; nil for no slots
	text            *textWanted // nil for no consent text
	key             *apikey.Key // nil for none
}

// textWanted names a consent text: a version, or the current one if that is empty or does not exist, in the closest
// language to locale.
type textWanted struct {
	version string
	locale  ledger.Locale
}

// load reads the state of an address.
func (a *addressState) load(b *pgx.Batch, before time.Time, q addressQuery) {
	var version any
	var locale string
	if q.text != nil {
		version, locale = q.text.version, string(q.text.locale)
	}
	b.Queue(requestLoadSQL, q.lock, q.eventID.String(), q.normalized, q.hashes.email, q.hashes.mailbox, before,
		q.domain, q.network, before.Add(-oneDay), version, locale, keyID(q.key),
	).QueryRow(func(found pgx.Row) error {
		*a = addressState{suppressions: suppressions{known: true}}
		var at []time.Time
		var first, own []bool
		var named, certain, revoked *bool
		err := found.Scan(append(a.row.columns(),
			(*zeronull.Text)(&a.suppressions.reason), (*zeronull.Text)(&a.suppressions.mailbox), &at, &first, &own,
			(*zeronull.UUID)(&a.consent.id), &named, &certain, (*zeronull.Text)(&a.recorded),
			&a.key.Hash, &a.key.Scopes, &revoked)...)
		if err != nil {
			return err
		}
		for i := range at {
			a.slots = append(a.slots, slot{at[i], first[i], own[i]})
		}
		a.row.exists, a.key.Revoked = a.row.ID != uuid.Nil, revoked != nil && *revoked
		a.consent.named, a.consent.certain = named != nil && *named, certain != nil && *certain
		return nil
	})
}

// state returns the state of the subscription.
func (a addressState) state() State { return a.suppressions.state(a.row) }

const linkLoadSQL = `
select * from link_load_v1($1::bigint, $2::text::uuid, $3::boolean, nullif($4::text, '')::uuid, $5::timestamptz)`

// A linkState is what decides about the use of a link.
type linkState struct {
	row          row
	suppressions suppressions
	requested    bool      // whether the link's sign-up is in the ledger
	textID       uuid.UUID // the consent text that the confirmation page shows for it; uuid.Nil if there is none
}

// load reads the state of a subscriber under the lock of its links. former also finds the row that replaced that of the
// id. eventID is the link's sign-up; uuid.Nil for none.
func (l *linkState) load(b *pgx.Batch, before time.Time, lock int64, id uuid.UUID, former bool, eventID uuid.UUID) {
	b.Queue(linkLoadSQL, lock, id.String(), former, idText(eventID), before).QueryRow(func(found pgx.Row) error {
		*l = linkState{}
		var known, requested *bool
		err := found.Scan(append(l.row.columns(), &known, (*zeronull.Text)(&l.suppressions.reason), &requested, (*zeronull.UUID)(&l.textID))...)
		l.row.exists, l.suppressions.known, l.requested = l.row.ID != uuid.Nil, known != nil, requested != nil
		return err
	})
}

const writeSQL = `
select subscription_write_v2($1::text, $2::text::uuid, $3::text, $4::text, $5::text, nullif($6::text, ''), $7::integer,
    nullif($8::text, ''), $9::text::jsonb, $10::text::uuid, $11::timestamptz, $12::timestamptz, $13::timestamptz,
    $14::timestamptz, $15::integer, $16::bytea, $17::bytea, $18::text, $19::bytea, $20::bytea, $21::boolean,
    date_trunc('minute', $22::timestamptz), $23::text::uuid, $24::timestamptz,
    $25::text, nullif($26::text, '')::uuid, $27::text, $28::text, $29::text::jsonb, nullif($30::text, '')::uuid,
    $31::text, $32::text::jsonb, nullif($33::text, '')::inet, nullif($34::text, ''), nullif($35::text, '{}')::jsonb,
    $36::timestamptz, $37::text::uuid, $38::text, $39::integer, $40::timestamptz, nullif($41::text, ''),
    nullif($42::text, '')::jsonb)`

// A rowChange is what happens to a row.
type rowChange string

// The changes, by their names in subscription_write_v2.
const (
	rowNone   rowChange = "none"
	rowInsert rowChange = "insert"
	rowUpdate rowChange = "update"
	rowDelete rowChange = "delete"
)

// An effect is what a transaction of the request path stores.
type effect struct {
	row    row
	change rowChange
	// padding is bytes to add to the write-ahead log.
	padding int
	// hashes are the pseudonyms of a request's address; zero for a link.
	hashes  pseudonyms
	event   ledger.Event
	visit   Visit
	mute    bool
	message outbox.Message // its ID, Kind, Epoch, DueAt, DomainHMAC and HoldReason
	slot    *slotTaken     // nil for none
	// fields are the values of a sign-up that a confirmation can still make effective, or that are effective at once.
	fields field.Values
}

// slotTaken is a row of signup_slots, at the domain of the message.
type slotTaken struct {
	network []byte
	first   bool
	at      time.Time
}

// write adds the effect to the caller's batch.
func (e effect) write(b *pgx.Batch) {
	r, now := e.row, e.event.At
	event := e.visit.cause(e.event)
	var mutedUntil *time.Time
	grace := identityGrace
	if e.mute {
		until := now.Add(mutePeriod)
		mutedUntil, grace = &until, declinedGrace
	}
	args := []any{
		string(e.change), r.ID.String(), r.Email, r.EmailNorm, string(r.Status), r.returningFrom(), r.Epoch,
		string(r.Locale), r.Source.JSON(), r.RequestEventID.String(), r.RequestedAt, r.ConfirmedAt, r.EndedAt,
		now.Add(grace), e.padding, e.hashes.email, e.hashes.mailbox, e.hashes.keyID,
	}
	if s := e.slot; s != nil {
		args = append(args, e.message.DomainHMAC, s.network, s.first, s.at)
	} else {
		args = append(args, e.message.DomainHMAC, nil, nil, nil)
	}
	args = append(args, event.Columns()...)
	args = append(args, ledger.Context{IP: e.visit.Client.IP, UserAgent: e.visit.Client.UserAgent, Source: e.visit.Sent}.Columns()...)
	due := e.message.DueAt
	if due.IsZero() {
		due = now
	}
	args = append(args, mutedUntil, e.message.ID.String(), string(e.message.Kind), e.message.Epoch, due, e.message.HoldReason, e.fields.JSON())
	b.Queue(writeSQL, args...)
}
