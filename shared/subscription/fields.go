package subscription

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"newsletter/shared/field"
	"newsletter/shared/ledger"
)

const (
	// A sign-up replaces the values that it has and keeps the others, because one form may ask for less than another.
	adoptFieldsSQL = `
update subscribers s set fields = coalesce(s.fields, '{}') || r.fields, fields_at = $3::timestamptz
from requested_fields r
where s.id = $1::text::uuid and r.subscriber_id = s.id and r.event_id = $2::text::uuid`
	dropRequestedFieldsSQL = `
delete from requested_fields where subscriber_id = $1::text::uuid`
)

// adoptFields makes the values of a confirmed sign-up the subscriber's, and forgets those of the sign-ups that nobody
// confirmed.
func adoptFields(b *pgx.Batch, id, signUp uuid.UUID, now time.Time) {
	b.Queue(adoptFieldsSQL, id.String(), signUp.String(), now)
	b.Queue(dropRequestedFieldsSQL, id.String())
}

const fieldsSQL = `
select fields::text from subscribers where id = $1::text::uuid and fields is not null`

// Fields returns the values of a subscriber's declared fields, also of fields that are no longer declared. It is one round
// trip. The error is the database's.
func (s *Store) Fields(ctx context.Context, subscriberID uuid.UUID) (field.Values, error) {
	var values field.Values
	err := s.db.Batch(ctx, func(b *pgx.Batch) { loadFields(b, subscriberID, &values) })
	if err != nil {
		return nil, fmt.Errorf("read the values of declared fields: %w", err)
	}
	return values, nil
}

func loadFields(b *pgx.Batch, id uuid.UUID, values *field.Values) {
	*values = nil
	b.Queue(fieldsSQL, id.String()).QueryRow(func(found pgx.Row) error {
		var text string
		err := found.Scan(&text)
		*values = field.ParseValues(text)
		return ignoreNoRows(err)
	})
}

// FieldsRectified is the outcome of RectifyFields.
const FieldsRectified Outcome = "fields_rectified"

const saveFieldsSQL = `
update subscribers set fields = nullif($2::text, '')::jsonb, fields_at = case when $2::text <> '' then $3::timestamptz end
where id = $1::text::uuid`

// RectifyFields changes values of declared fields of a person, by a letter whose sender the operator has identified (Art. 16 GDPR),
// and closes their requests. A nil value removes one. Destinations are notified, and the ledger has an event without
// values. It returns Unchanged if the values are so already. The error is ErrUnknown for an address without a
// subscriber, or the database's.
func (s *Store) RectifyFields(ctx context.Context, a Address, changes map[string]any, visit Visit) (Outcome, error) {
	holder, err := s.FindByPseudonym(ctx, s.key.Address(a.Normalized))
	if err != nil {
		return "", err
	}
	lock, eventID := s.subscriberLock(holder.SubscriberID), newID()
	var r row
	var values field.Values
	var outcome, repeated Outcome
	err = s.transact(ctx, lock,
		func(b *pgx.Batch, _ time.Time) {
			r, repeated = row{}, ""
			r.loadByID(b, holder.SubscriberID, lock)
			loadFields(b, holder.SubscriberID, &values)
			loadOutcome(b, eventID, &repeated)
		},
		func(b *pgx.Batch, now time.Time) error {
			if outcome = repeated; repeated != "" {
				return nil
			}
			if !r.exists {
				return ErrUnknown
			}
			b.Queue(answerLettersSQL, r.ID.String(), string(RightOfRectification), now)
			if outcome = Unchanged; !apply(&values, changes) {
				return nil
			}
			outcome = FieldsRectified
			event := r.event(r.Status, decision{To: r.Status, Outcome: outcome, Ledger: ledger.FieldsRectified})
			event.ID, event.At, event.Actor = eventID, now, ledger.Operator
			s.record(b, event, visit)
			b.Queue(saveFieldsSQL, r.ID.String(), values.JSON(), now)
			enqueueChange(b, event, r.Epoch, nil)
			return nil
		})
	if err != nil {
		return "", fmt.Errorf("rectify the values of declared fields: %w", err)
	}
	return outcome, nil
}

// apply applies changes to values and reports whether any was different.
func apply(values *field.Values, changes map[string]any) (changed bool) {
	if *values == nil {
		*values = field.Values{}
	}
	for name, value := range changes {
		had := (*values)[name]
		if changed = changed || had != value; value == nil {
			delete(*values, name)
		} else {
			(*values)[name] = value
		}
	}
	return changed
}

const (
	// A restriction keeps everything.
	endFieldsSQL = `
update subscribers s set fields = nullif(s.fields - $1::text[], '{}'), fields_at = case when s.fields - $1::text[] <> '{}' then s.fields_at end
where s.id in (
    select o.id from subscribers o
    where o.fields ?| $1::text[] and o.fields_at <= $2::timestamptz
      and not exists (select from identities i join suppressions p using (email_hmac) where i.subscriber_id = o.id and p.reason = 'restriction')
    limit $3::integer for update skip locked)`
	// What can no longer be confirmed is deleted: its request expired, was declined, or ended otherwise.
	endRequestedFieldsSQL = `
delete from requested_fields r
where (r.at <= $1::timestamptz or exists (select from subscribers s where s.id = r.subscriber_id and s.status <> 'pending'))
  and not exists (select from identities i join suppressions p using (email_hmac) where i.subscriber_id = r.subscriber_id and p.reason = 'restriction')`
)

// ExpireFields deletes values whose retention period is over, of up to limit subscribers for each period, and the values of
// sign-ups that can no longer be confirmed. It returns how many subscribers and sign-ups lost values, and whether there
// may be more. Values of restricted subscribers stay. The error is the database's.
func (s *Store) ExpireFields(ctx context.Context, declared field.Declarations, limit int) (ended int64, more bool, err error) {
	byPeriod := map[int][]string{}
	for _, d := range declared {
		if d.RetentionDays > 0 {
			byPeriod[d.RetentionDays] = append(byPeriod[d.RetentionDays], d.Name)
		}
	}
	now := s.clock()
	for days, names := range byPeriod {
		err := s.db.Batch(ctx, func(b *pgx.Batch) {
			b.Queue(endFieldsSQL, slices.Sorted(slices.Values(names)), now.AddDate(0, 0, -days), limit).Exec(func(done pgconn.CommandTag) error {
				ended, more = ended+done.RowsAffected(), more || done.RowsAffected() == int64(limit)
				return nil
			})
		})
		if err != nil {
			return ended, more, fmt.Errorf("delete the values of declared fields: %w", err)
		}
	}
	err = s.db.Batch(ctx, func(b *pgx.Batch) {
		b.Queue(endRequestedFieldsSQL, now.Add(-pendingLifetime)).Exec(func(done pgconn.CommandTag) error {
			ended += done.RowsAffected()
			return nil
		})
	})
	if err != nil {
		return ended, more, fmt.Errorf("delete the values of sign-ups: %w", err)
	}
	return ended, more, nil
}
