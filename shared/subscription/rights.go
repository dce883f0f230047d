package subscription

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/ledger"
)

// answerWithin is the time to answer a request: one month (Art. 12(3) GDPR), taken as the shortest month.
const answerWithin = 28 * 24 * time.Hour

// Right is the right that a privacy request exercises.
type Right string

// The rights.
const (
	RightOfAccess        Right = "export"   // Art. 15 and 20 GDPR
	RightOfErasure       Right = "erase"    // Art. 17 GDPR
	RightOfRectification Right = "rectify"  // Art. 16 GDPR: another address
	RightOfRestriction   Right = "restrict" // Art. 18 GDPR
)

// Rights lists all rights.
func Rights() []Right {
	return []Right{RightOfAccess, RightOfErasure, RightOfRectification, RightOfRestriction}
}

// PrivacyRequest is a request with a due date.
type PrivacyRequest struct {
	ID         string     `json:"id"`
	Right      Right      `json:"kind"`
	Channel    string     `json:"channel"`
	ReceivedAt time.Time  `json:"received_at"`
	DueAt      time.Time  `json:"due_at"`
	DoneAt     *time.Time `json:"done_at"`
}

const openRequestSQL = `
insert into privacy_requests (id, kind, channel, subscriber_id, received_at, due_at)
values ($1::text::uuid, $2::text, 'letter', $3::text::uuid, $4::timestamptz, $5::timestamptz)`

// RecordPrivacyRequest records a request by letter, so that its due date is monitored. Erase, ExportByLetter,
// RestrictByLetter or RectifyByLetter closes it. The error is ErrUnknown if no data about the address is kept, which is the answer to the letter; or the
// database's.
func (s *Store) RecordPrivacyRequest(ctx context.Context, a Address, right Right, received time.Time) (due time.Time, err error) {
	email, id, eventID := s.key.Address(a.Normalized), uuid.New(), newID()
	due = received.Add(answerWithin)
	var ids []string
	err = s.transact(ctx, 0,
		func(b *pgx.Batch, _ time.Time) { loadIDs(b, email, &ids) },
		func(b *pgx.Batch, now time.Time) error {
			if len(ids) == 0 {
				return ErrUnknown
			}
			b.Queue(openRequestSQL, id.String(), string(right), ids[0], received, due)
			ledger.Append(b, ledger.Event{
				ID: eventID, At: now, Kind: ledger.PrivacyRequested, Actor: ledger.Operator, SubscriberID: mustID(ids[0]), Channel: "letter",
				RequestID: "operator", Data: ledger.Data{Outcome: "opened", Purpose: string(right)},
			})
			return nil
		})
	if err != nil {
		return time.Time{}, fmt.Errorf("record a privacy request: %w", err)
	}
	return due, nil
}

const privacyRequestsSQL = `
select id::text, kind, channel, received_at, due_at, done_at from privacy_requests
where done_at is null or $1::boolean
order by due_at limit 1000`

// ListPrivacyRequests returns the open requests, the earliest due first; with answered, the answered ones too. It
// returns at most 1000.
func (s *Store) ListPrivacyRequests(ctx context.Context, answered bool) ([]PrivacyRequest, error) {
	var all []PrivacyRequest
	err := s.db.Batch(ctx, func(b *pgx.Batch) {
		b.Queue(privacyRequestsSQL, answered).Query(func(rows pgx.Rows) error {
			var err error
			all, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (r PrivacyRequest, err error) {
				return r, row.Scan(&r.ID, (*string)(&r.Right), &r.Channel, &r.ReceivedAt, &r.DueAt, &r.DoneAt)
			})
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list privacy requests: %w", err)
	}
	return all, nil
}

// It closes the open requests that the operator recorded. Without one, as after a link, it inserts a closed request.
const closeRequestSQL = `
with closed as (
    update privacy_requests set done_at = $6::timestamptz, outcome = 'answered'
    where kind = $2::text and subscriber_id = any($4::text[]::uuid[]) and done_at is null
    returning id
)
insert into privacy_requests (id, kind, channel, subscriber_id, received_at, due_at, done_at, outcome)
select $1::text::uuid, $2::text, $3::text, ($4::text[]::uuid[])[1], $6::timestamptz, $5::timestamptz, $6::timestamptz, 'answered'
where not exists (select from closed)`

// closeRequest records that a request was answered. The ids of requests are random: they outlast an erasure, and a
// UUIDv7 contains the time.
func closeRequest(b *pgx.Batch, right Right, ids []string, visit Visit, now time.Time) {
	b.Queue(closeRequestSQL, uuid.NewString(), string(right), visit.Channel, ids, now.Add(answerWithin), now)
}

const personIDsSQL = `
select subscriber_id::text from identities where email_hmac = $1::bytea`

// loadIDs reads all present and former ids of the holder of an address.
func loadIDs(b *pgx.Batch, email []byte, ids *[]string) {
	b.Queue(personIDsSQL, email).Query(func(rows pgx.Rows) error {
		var err error
		*ids, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
}

// mustID parses an id from the database.
func mustID(s string) uuid.UUID { return uuid.MustParse(s) }
