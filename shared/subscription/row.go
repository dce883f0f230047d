package subscription

import (
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgtype/zeronull"

	"newsletter/shared/ledger"
	"newsletter/shared/token"
)

// A row is a row of the table subscribers.
type row struct {
	exists         bool
	ID             uuid.UUID
	Email          string
	EmailNorm      string
	Status         State
	Returning      bool
	Epoch          int32
	Locale         ledger.Locale
	Source         ledger.Source
	RequestEventID uuid.UUID
	RequestedAt    time.Time
	ConfirmedAt    *time.Time
	EndedAt        *time.Time
}

// state returns the status of the row, or None without a row.
func (r row) state() State {
	if !r.exists {
		return None
	}
	return r.Status
}

// provider returns the mailbox provider of the row's address.
func (r row) provider() string {
	local, domain, _ := strings.Cut(r.EmailNorm, "@")
	return mailboxOf(local, domain).provider
}

// event returns the ledger event of a decision about r. The caller adds id, time, actor, channel and request id.
func (r row) event(from State, d decision) ledger.Event {
	e := ledger.Event{Kind: d.Ledger, Data: ledger.Data{Outcome: string(d.Outcome), From: string(from), To: string(d.To)}}
	if r.exists {
		e.SubscriberID, e.Source = r.ID, r.Source
		e.Data.Provider, e.Data.Returning, e.Data.Locale = r.provider(), r.Returning, r.Locale
	}
	return e
}

// Only the holder of the advisory lock locks the row (acquiring it again is free). So a burst of requests for one
// address fails at once, instead of waiting for the row and holding connections.
const rowByNormSQL = `
select id, email, email_norm, status, returning_from, epoch, locale, source, request_event_id, requested_at, confirmed_at, ended_at
from subscribers
where email_norm = $1::text and (select pg_try_advisory_xact_lock($2::bigint))
for update`

func (r *row) loadByNorm(b *pgx.Batch, norm string, lock int64) {
	b.Queue(rowByNormSQL, norm, lock).QueryRow(r.scan)
}

const rowByIDSQL = `
select id, email, email_norm, status, returning_from, epoch, locale, source, request_event_id, requested_at, confirmed_at, ended_at
from subscribers
where id = $1::text::uuid and (select pg_try_advisory_xact_lock($2::bigint))
for update`

func (r *row) loadByID(b *pgx.Batch, id uuid.UUID, lock int64) {
	b.Queue(rowByIDSQL, id.String(), lock).QueryRow(r.scan)
}

func (r *row) scan(found pgx.Row) error {
	err := found.Scan(r.columns()...)
	r.exists = err == nil
	return ignoreNoRows(err)
}

// columns returns the targets of a scan of a row's columns. Null leaves the zero value.
func (r *row) columns() []any {
	return []any{
		(*zeronull.UUID)(&r.ID), (*zeronull.Text)(&r.Email), (*zeronull.Text)(&r.EmailNorm), (*zeronull.Text)(&r.Status),
		(*returningFrom)(&r.Returning), (*zeronull.Int4)(&r.Epoch), (*zeronull.Text)(&r.Locale), (*storedSource)(&r.Source),
		(*zeronull.UUID)(&r.RequestEventID), (*zeronull.Timestamptz)(&r.RequestedAt), &r.ConfirmedAt, &r.EndedAt,
	}
}

// returningFrom scans the column of that name.
type returningFrom bool

// Scan implements sql.Scanner.
func (r *returningFrom) Scan(value any) error {
	*r = value != nil
	return nil
}

// storedSource scans a source.
type storedSource ledger.Source

// ScanText implements pgtype.TextScanner.
func (s *storedSource) ScanText(text pgtype.Text) error {
	*s = storedSource(ledger.ParseSource(text.String))
	return nil
}

const saveRowSQL = `
update subscribers set
    status = $2::text, returning_from = nullif($3::text, ''), epoch = $4::integer, confirmed_at = $5::timestamptz, ended_at = $6::timestamptz
where id = $1::text::uuid`

// save writes the state of a row that exists.
func (r row) save(b *pgx.Batch) {
	b.Queue(saveRowSQL, r.ID.String(), string(r.Status), r.returningFrom(), r.Epoch, r.ConfirmedAt, r.EndedAt)
}

// returningFrom returns the status that a pending row returns to; empty for none.
func (r row) returningFrom() string {
	if r.Returning {
		return string(Unsubscribed)
	}
	return ""
}

// ignoreNoRows returns err, or nil for pgx.ErrNoRows.
func ignoreNoRows(err error) error {
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	return err
}

const deleteRowSQL = `
delete from subscribers where id = $1::text::uuid`

// identityGrace is how long the identity of an unconfirmed request is kept after its row, so that a privacy request in
// that time can still be answered.
const identityGrace = 14 * 24 * time.Hour

// declinedGrace is the same after a decline, so that the reader of the mailbox can take it back.
const declinedGrace = token.RenewalPeriod

const endIdentitySQL = `
update identities set until = $2::timestamptz where subscriber_id = $1::text::uuid`

// delete deletes a row that was never confirmed.
func (r row) delete(b *pgx.Batch, now time.Time) {
	b.Queue(deleteRowSQL, r.ID.String())
	b.Queue(endIdentitySQL, r.ID.String(), now.Add(identityGrace))
}

// apply applies a decision to the row and writes it.
func (r row) apply(b *pgx.Batch, d decision, now time.Time) {
	if d.To == None {
		r.delete(b, now)
		return
	}
	r.after(d, now).save(b)
}

// after returns the row after a decision that keeps it.
func (r row) after(d decision, now time.Time) row {
	r.Status, r.Returning = d.To, d.Returning
	if d.NewEpoch {
		r.Epoch++
	}
	switch d.To {
	case Active:
		r.ConfirmedAt, r.EndedAt = &now, nil
	case Unsubscribed, Suppressed:
		if r.EndedAt == nil {
			r.EndedAt = &now
		}
	case None, Pending, Erased:
	}
	return r
}
