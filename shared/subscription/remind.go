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

// A request is reminded of once, if its mail was sent, and not while another one waits for the owner.
const forgottenSQL = `
select s.id::text, s.email, s.requested_at
from subscribers s join identities i on i.subscriber_id = s.id
where s.status = 'pending' and s.id > $1::text::uuid and s.requested_at <= $2::timestamptz
  and (s.reminded_at is null or s.reminded_at < s.requested_at)
  and exists (select from email_log m join outbox o on o.id = m.id
              where m.mailbox_hmac = i.mailbox_hmac and m.purpose = 'confirm' and m.sent_at is not null
                and o.subscriber_id = s.id and o.epoch = s.epoch and o.outcome = 'sent')
  and not exists (select from outbox o where o.state = 'held' and o.subscriber_id = s.id)
order by s.id limit $3::integer`

// UnconfirmedRequest is a request that waits for its confirmation.
type UnconfirmedRequest struct {
	SubscriberID uuid.UUID
	Address      Address
	RequestedAt  time.Time
}

// ListUnconfirmed lists requests that have waited for a time since they were emailed about, and were not reminded of yet: those
// after the person of a list before (uuid.Nil to begin), up to limit. The error is the database's.
func (s *Store) ListUnconfirmed(ctx context.Context, waited time.Duration, last uuid.UUID, limit int) ([]UnconfirmedRequest, error) {
	var all []UnconfirmedRequest
	err := s.db.Batch(ctx, func(b *pgx.Batch) {
		b.Queue(forgottenSQL, last.String(), s.clock().Add(-waited), limit).Query(func(rows pgx.Rows) error {
			var err error
			all, err = pgx.CollectRows(rows, scanForgotten)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list requests to remind of: %w", err)
	}
	return all, nil
}

func scanForgotten(row pgx.CollectableRow) (f UnconfirmedRequest, err error) {
	var email string
	if err := row.Scan(&f.SubscriberID, &email, &f.RequestedAt); err != nil {
		return f, err
	}
	f.Address, err = ParseAddress(email)
	return f, err
}

const remindedSQL = `
update subscribers set reminded_at = $2::timestamptz where id = $1::text::uuid`

// Remind queues a further email about a request of UnconfirmedRequest, in one transaction under the lock that sign-ups take. It says
// whether it did: not if something happened to the person since, and not above the caps on mail, which are those of
// sign-ups; the next run looks at the request again. Of two runs at once the second one meets the pause after the first
// one's mail. The error is the database's.
func (s *Store) Remind(ctx context.Context, f UnconfirmedRequest) (queued bool, err error) {
	lock, eventID, names := s.foldLock(f.Address), newID(), s.pseudonyms(f.Address)
	var r row
	var held silence
	var mailed SentEmails
	var repeated Outcome
	err = s.transact(ctx, lock,
		func(b *pgx.Batch, before time.Time) {
			r, held, mailed, repeated = row{}, silence{}, newMailed(before), ""
			r.loadByID(b, f.SubscriberID, lock)
			held.loadByAddress(b, names, before)
			mailed.load(b, names.fold, string(ConfirmEmail))
			mailed.loadDomain(b, names.domain, s.domainCap.Limit)
			loadOutcome(b, eventID, &repeated)
		},
		func(b *pgx.Batch, now time.Time) error {
			queued, mailed.Now = repeated != "", now
			waits := r.state() == Pending && r.RequestedAt.Equal(f.RequestedAt) && held.why() == ""
			if queued || !waits || !mailed.Allows(ConfirmEmail) {
				return nil
			}
			queued = true
			b.Queue(remindedSQL, r.ID.String(), now)
			ledger.Append(b, ledger.Event{
				ID: eventID, At: now, Kind: ledger.Reminded, SubscriberID: r.ID, Actor: ledger.System, Channel: "schedule", RequestID: "maintain",
				Data: ledger.Data{Outcome: "reminder_queued", RequestEvent: r.RequestEventID.String(), Locale: r.Locale},
			})
			ConfirmEmail.queue(b, names.fold, names.domain, outbox.Message{
				ID: newID(), Kind: outbox.EmailReminder, SubscriberID: r.ID, EventID: r.RequestEventID, Epoch: r.Epoch, CreatedAt: now,
			})
			return nil
		})
	if err != nil {
		return false, fmt.Errorf("remind of a request: %w", err)
	}
	return queued, nil
}
