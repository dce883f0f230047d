package subscription

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/ledger"
	"newsletter/shared/outbox"
)

// maxRemindAfter leaves two days of the time for which retention keeps the message of the confirmation email, without
// which there is no reminder.
const maxRemindAfter = 28 * 24 * time.Hour

// ReminderConfig is when a reminder is sent.
type ReminderConfig struct {
	// Send one reminder for a request that has waited this long for its confirmation, such as 48h. Reminders are sent
	// once a day. 0s: no reminders.
	After time.Duration `env:"SIGNUP_REMIND_AFTER" envDefault:"0s"`
}

// Validate implements the check of config.Env.Read.
func (c ReminderConfig) Validate() error {
	if c.After != 0 && (c.After < time.Hour || c.After > maxRemindAfter) {
		return errors.New("SIGNUP_REMIND_AFTER: must be 0s, or between 1h and 672h, because a request expires after 35 days, and its messages after 30")
	}
	return nil
}

// A request gets one reminder, only after its email was sent, and not while another email of it is held. A change of
// address gets none, because only a subscriber asked for it.
const unconfirmedSQL = `
select s.id::text, s.email, s.requested_at
from subscribers s
where s.status = 'pending' and s.id > $1::text::uuid and s.requested_at <= $2::timestamptz
  and (s.reminded_at is null or s.reminded_at < s.requested_at)
  and exists (select from outbox o
              where o.subscriber_id = s.id and o.epoch = s.epoch and o.kind in ('email.confirm', 'email.reminder') and o.outcome = 'sent')
  and not exists (select from outbox o where o.state = 'held' and o.subscriber_id = s.id)
  and not exists (select from privacy_requests p where p.sign_up_event_id = s.request_event_id)
order by s.id limit $3::integer`

// UnconfirmedRequest is a sign-up that waits for its confirmation.
type UnconfirmedRequest struct {
	SubscriberID uuid.UUID
	Address      Address
	RequestedAt  time.Time
}

// ListUnconfirmed returns up to limit requests that have waited at least that long and have had no reminder. It
// continues after the subscriber last, the end of the previous page; uuid.Nil starts. The error is the database's.
func (s *Store) ListUnconfirmed(ctx context.Context, waited time.Duration, last uuid.UUID, limit int) ([]UnconfirmedRequest, error) {
	var all []UnconfirmedRequest
	err := s.db.Batch(ctx, func(b *pgx.Batch) {
		b.Queue(unconfirmedSQL, last.String(), s.clock().Add(-waited), limit).Query(func(rows pgx.Rows) error {
			var err error
			all, err = pgx.CollectRows(rows, scanUnconfirmed)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list unconfirmed requests: %w", err)
	}
	return all, nil
}

func scanUnconfirmed(row pgx.CollectableRow) (f UnconfirmedRequest, err error) {
	var email string
	if err := row.Scan(&f.SubscriberID, &email, &f.RequestedAt); err != nil {
		return f, err
	}
	f.Address, err = ParseAddress(email)
	return f, err
}

const (
	remindedSQL = `
select coalesce(reminded_at >= requested_at, false) from subscribers where id = $1::text::uuid`
	markRemindedSQL = `
update subscribers set reminded_at = $2::timestamptz where id = $1::text::uuid`
)

// Remind enqueues the reminder for an unconfirmed request, in one transaction under the lock that sign-ups take. It
// reports whether it did: not if the subscriber's state changed since, and only once for a sign-up. CheckSend counts it
// in the mailbox budget. The error is the database's.
func (s *Store) Remind(ctx context.Context, f UnconfirmedRequest) (queued bool, err error) {
	lock, eventID, hashes := s.mailboxLock(f.Address), newID(), newPseudonyms(s.key, f.Address)
	var r row
	var sup suppressions
	var reminded bool
	var repeated Outcome
	err = s.transact(ctx, lock,
		func(b *pgx.Batch, before time.Time) {
			r, sup, reminded, repeated = row{}, suppressions{}, false, ""
			r.loadByID(b, f.SubscriberID, lock)
			sup.loadByAddress(b, hashes, before)
			b.Queue(remindedSQL, f.SubscriberID.String()).QueryRow(func(found pgx.Row) error { return ignoreNoRows(found.Scan(&reminded)) })
			loadOutcome(b, eventID, &repeated)
		},
		func(b *pgx.Batch, now time.Time) error {
			queued = repeated != ""
			waits := r.state() == Pending && r.RequestedAt.Equal(f.RequestedAt) && sup.effective() == ""
			if queued || !waits || reminded {
				return nil
			}
			queued = true
			b.Queue(markRemindedSQL, r.ID.String(), now)
			ledger.Append(b, ledger.Event{
				ID: eventID, At: now, Kind: ledger.Reminded, SubscriberID: r.ID, Actor: ledger.System, Channel: "schedule", RequestID: "maintain",
				Data: ledger.Data{Outcome: "reminder_queued", RequestEvent: r.RequestEventID.String(), Locale: r.Locale},
			})
			outbox.Enqueue(b, outbox.Message{
				ID: newID(), Kind: ReminderEmail.Kind(), SubscriberID: r.ID, EventID: r.RequestEventID, Epoch: r.Epoch, CreatedAt: now,
				DomainHMAC: s.limitedDomain(f.Address),
			})
			return nil
		})
	if err != nil {
		return false, fmt.Errorf("enqueue a reminder: %w", err)
	}
	return queued, nil
}
