package subscription

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/field"
	"newsletter/shared/ledger"
)

// ListFilter selects subscribers of the list.
type ListFilter struct {
	States []State
	// Since and Before limit when they last consented, or asked to if they never confirmed: at or after Since, before
	// Before. Zero: no limit; with one, subscribers without a known time are left out.
	Since, Before time.Time
	// Fields are the values of declared fields that they must have; none for all.
	Fields field.Values
	// After is the last subscriber of the page before; uuid.Nil for the first page.
	After uuid.UUID
}

// ListedSubscriber is a subscriber of the list. Times are nil where they are unknown.
type ListedSubscriber struct {
	ID          uuid.UUID     `json:"id"`
	Email       string        `json:"email"`
	Status      State         `json:"status"`
	Locale      ledger.Locale `json:"locale,omitempty"`
	RequestedAt *time.Time    `json:"requested_at,omitempty"`
	ConfirmedAt *time.Time    `json:"confirmed_at,omitempty"`
	EndedAt     *time.Time    `json:"ended_at,omitempty"`
	Source      ledger.Source `json:"source"`
	Fields      field.Values  `json:"fields,omitempty"`
	Epoch       int32         `json:"epoch"`
}

// The times are shown as in the copy of a person's data: only where they are known.
const listSQL = `
select id::text, email, status, locale, source, requested_at, confirmed_at, ended_at, epoch, fields
from (select s.id, s.email, s.status, coalesce(s.locale, '') as locale, s.source::text as source,
             case when e.kind is distinct from 'subscription.imported' then s.requested_at end as requested_at,
             case when e.kind is distinct from 'subscription.imported' or e.data ? 'original_at' then s.confirmed_at end as confirmed_at,
             s.ended_at, s.epoch, coalesce(s.fields, '{}')::text as fields
      from subscribers s left join ledger_events e on e.id = s.request_event_id
      where s.status = any($1::text[]) and s.id > $2::text::uuid and ($6::text = '' or s.fields @> nullif($6::text, '')::jsonb)
        and not exists (select from identities i join suppressions p using (email_hmac) where i.subscriber_id = s.id and p.reason = 'restriction')) as shown
where ($3::timestamptz is null or coalesce(confirmed_at, requested_at) >= $3::timestamptz)
  and ($4::timestamptz is null or coalesce(confirmed_at, requested_at) < $4::timestamptz)
order by id limit $5::integer`

// List returns up to limit subscribers who do not restrict the processing, by id, in one round trip. The caller records
// it. The error is the database's.
func (s *Store) List(ctx context.Context, f ListFilter, limit int) ([]ListedSubscriber, error) {
	states := make([]string, len(f.States))
	for i, state := range f.States {
		states[i] = string(state)
	}
	var all []ListedSubscriber
	err := s.db.Batch(ctx, func(b *pgx.Batch) {
		all = nil
		b.Queue(listSQL, states, f.After.String(), orNull(f.Since), orNull(f.Before), limit, f.Fields.JSON()).Query(func(rows pgx.Rows) error {
			var err error
			all, err = pgx.CollectRows(rows, scanListed)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list subscribers: %w", err)
	}
	return all, nil
}

func orNull(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	return &at
}

func scanListed(row pgx.CollectableRow) (l ListedSubscriber, err error) {
	var source, fields string
	err = row.Scan(&l.ID, &l.Email, (*string)(&l.Status), (*string)(&l.Locale), &source, &l.RequestedAt, &l.ConfirmedAt, &l.EndedAt, &l.Epoch, &fields)
	l.Source, l.Fields = ledger.ParseSource(source), field.ParseValues(fields)
	return l, err
}
