package subscription

import (
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/ledger"
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
select id::text, email, email_norm, status, returning_from is not null, epoch, coalesce(locale, ''), source::text,
       request_event_id::text, requested_at, confirmed_at, ended_at
from subscribers
where email_norm = $1::text and (select pg_try_advisory_xact_lock($2::bigint))
for update`

func (r *row) loadByNorm(b *pgx.Batch, norm string, lock int64) {
	b.Queue(rowByNormSQL, norm, lock).QueryRow(r.scan)
}

const rowByIDSQL = `
select id::text, email, email_norm, status, returning_from is not null, epoch, coalesce(locale, ''), source::text,
       request_event_id::text, requested_at, confirmed_at, ended_at
from subscribers
where id = $1::text::uuid and (select pg_try_advisory_xact_lock($2::bigint))
for update`

func (r *row) loadByID(b *pgx.Batch, id uuid.UUID, lock int64) {
	b.Queue(rowByIDSQL, id.String(), lock).QueryRow(r.scan)
}

// An unconfirmed request is deleted, and the next one of its address gets a new id. The identities link the old id to
// the current row.
const rowByAnyIDSQL = `
select id::text, email, email_norm, status, returning_from is not null, epoch, coalesce(locale, ''), source::text,
       request_event_id::text, requested_at, confirmed_at, ended_at
from subscribers
where id in (select $1::text::uuid
             union
             select present.subscriber_id
             from identities as former join identities as present using (email_hmac)
             where former.subscriber_id = $1::text::uuid)
  and (select pg_try_advisory_xact_lock($2::bigint))
for update`

// loadByAnyID reads the row of a present or former id. There is at most one, because an address has one row.
func (r *row) loadByAnyID(b *pgx.Batch, id uuid.UUID, lock int64) {
	b.Queue(rowByAnyIDSQL, id.String(), lock).QueryRow(r.scan)
}

func (r *row) scan(found pgx.Row) error {
	var status, source string
	err := found.Scan(&r.ID, &r.Email, &r.EmailNorm, &status, &r.Returning, &r.Epoch, (*string)(&r.Locale), &source,
		&r.RequestEventID, &r.RequestedAt, &r.ConfirmedAt, &r.EndedAt)
	r.exists, r.Status, r.Source = err == nil, State(status), ledger.ParseSource(source)
	return ignoreNoRows(err)
}

// With $13 false nothing is written, so a request without a row runs the same statement. An unused message of $14 bytes
// in the write-ahead log makes up for what such a request, or one that changes no indexed value, writes less: a commit
// waits for the log. The condition is volatile, so it is always evaluated.
const saveRowSQL = `
insert into subscribers (id, email, email_norm, status, returning_from, epoch, locale, source, request_event_id,
                         requested_at, confirmed_at, ended_at)
select $1::text::uuid, $2::text, $3::text, $4::text, nullif($5::text, ''), $6::integer, nullif($7::text, ''),
       $8::text::jsonb, $9::text::uuid, $10::timestamptz, $11::timestamptz, $12::timestamptz
where case when pg_logical_emit_message(true, 'newsletter', repeat('.', $14::integer)) is not null then $13::boolean end
on conflict (id) do update set
    email = excluded.email, status = excluded.status, returning_from = excluded.returning_from,
    epoch = excluded.epoch, locale = excluded.locale, request_event_id = excluded.request_event_id,
    requested_at = excluded.requested_at, confirmed_at = excluded.confirmed_at, ended_at = excluded.ended_at`

// save writes the whole row, new or changed, and padding bytes to the write-ahead log; only the padding if r does not
// exist.
func (r row) save(b *pgx.Batch, padding int) {
	returningFrom := ""
	if r.Returning {
		returningFrom = string(Unsubscribed)
	}
	b.Queue(saveRowSQL, r.ID.String(), r.Email, r.EmailNorm, string(r.Status), returningFrom, r.Epoch, string(r.Locale),
		r.Source.JSON(), r.RequestEventID.String(), r.RequestedAt, r.ConfirmedAt, r.EndedAt, r.exists, padding)
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
	r.save(b, 0)
}
