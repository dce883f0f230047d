package subscription

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/ledger"
	"newsletter/shared/outbox"
)

// A request gets one reminder, unless it is a change of address, which nobody but a subscriber asked for; only after its email was sent, and not while another email of it is held.
const unconfirmedSQL = `
select s.id::text, s.email, s.requested_at
from subscribers s join identities i on i.subscriber_id = s.id
where s.status = 'pending' and s.id > $1::text::uuid and s.requested_at <= $2::timestamptz
  and (s.reminded_at is null or s.reminded_at < s.requested_at)
  and exists (select from email_log m join outbox o on o.id = m.id
              where m.mailbox_hmac = i.mailbox_hmac and m.purpose = 'confirm' and m.sent_at is not null
                and o.subscriber_id = s.id and o.epoch = s.epoch and o.outcome = 'sent')
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

const markRemindedSQL = `
update subscribers set reminded_at = $2::timestamptz where id = $1::text::uuid`

// Remind enqueues the reminder for an unconfirmed request, in one transaction under the lock that sign-ups take. It
// reports whether it did: not if the subscriber's state changed since, and not above the mailbox budget and domain
// limit of sign-ups; the next run tries again. Of two concurrent runs, the second one is stopped by confirmPause. The
// error is the database's.
func (s *Store) Remind(ctx context.Context, f UnconfirmedRequest) (queued bool, err error) {
	lock, eventID, hashes := s.mailboxLock(f.Address), newID(), s.pseudonyms(f.Address)
	var r row
	var sup suppressions
	var sent sentEmails
	var repeated Outcome
	err = s.transact(ctx, lock,
		func(b *pgx.Batch, before time.Time) {
			r, sup, sent, repeated = row{}, suppressions{}, newSentEmails(before), ""
			r.loadByID(b, f.SubscriberID, lock)
			sup.loadByAddress(b, hashes, before)
			sent.load(b, hashes.mailbox)
			sent.loadDomain(b, hashes.domain, s.domainLimit.Limit)
			loadOutcome(b, eventID, &repeated)
		},
		func(b *pgx.Batch, now time.Time) error {
			queued, sent.Now = repeated != "", now
			waits := r.state() == Pending && r.RequestedAt.Equal(f.RequestedAt) && sup.effective() == ""
			if queued || !waits || !sent.Allows(ReminderEmail) {
				return nil
			}
			queued = true
			b.Queue(markRemindedSQL, r.ID.String(), now)
			ledger.Append(b, ledger.Event{
				ID: eventID, At: now, Kind: ledger.Reminded, SubscriberID: r.ID, Actor: ledger.System, Channel: "schedule", RequestID: "maintain",
				Data: ledger.Data{Outcome: "reminder_queued", RequestEvent: r.RequestEventID.String(), Locale: r.Locale},
			})
			ReminderEmail.enqueue(b, hashes.mailbox, hashes.domain, outbox.Message{
				ID: newID(), Kind: ReminderEmail.Kind(), SubscriberID: r.ID, EventID: r.RequestEventID, Epoch: r.Epoch, CreatedAt: now,
			})
			return nil
		})
	if err != nil {
		return false, fmt.Errorf("enqueue a reminder: %w", err)
	}
	return queued, nil
}
