package subscription

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/audit"
	"newsletter/shared/outbox"
)

// A request is reminded of once, and not while its mail waits for the owner, while the address is to get no mail, or above
// the caps. Rows that somebody is just working on are passed over.
const forgottenSQL = `
select s.id::text, s.epoch, s.request_event_id::text, coalesce(s.locale, ''), i.fold_hmac
from subscribers s join identities i on i.subscriber_id = s.id
where s.status = 'pending' and s.requested_at <= $1::timestamptz and (s.reminded_at is null or s.reminded_at < s.requested_at)
  and not exists (select from suppressions p where p.email_hmac = i.email_hmac and (p.until is null or p.until > $2::timestamptz))
  and not exists (select from outbox o where o.state = 'held' and o.subscriber_id = s.id)
  and (select count(*) from mail_log m
       where m.fold_hmac = i.fold_hmac and m.purpose = 'confirm' and m.at > $3::timestamptz) < $4::integer
order by s.requested_at limit $5::integer
for update of s skip locked`

const remindedSQL = `
update subscribers set reminded_at = $2::timestamptz where id = $1::text::uuid`

// forgotten is a request that waits for its confirmation.
type forgotten struct {
	id, event uuid.UUID
	epoch     int32
	locale    string
	fold      []byte
}

// Remind queues a further mail for up to limit requests that have waited for their confirmation for a time, once for each
// request, within the caps on mail. It returns how many there were; fewer than limit means that none are left. The error is
// the database's.
func (s *Store) Remind(ctx context.Context, after time.Duration, limit int) (int, error) {
	now := s.clock()
	bound, _ := caps(ConfirmMail)
	var found []forgotten
	err := s.db.Transact(ctx, 0,
		func(b *pgx.Batch) {
			b.Queue(forgottenSQL, now.Add(-after), now, now.Add(-capWindow), bound.limit, limit).Query(func(rows pgx.Rows) error {
				var err error
				found, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (f forgotten, err error) {
					return f, row.Scan(&f.id, &f.epoch, &f.event, &f.locale, &f.fold)
				})
				return err
			})
		},
		func(b *pgx.Batch) error {
			for _, f := range found {
				b.Queue(remindedSQL, f.id.String(), now)
				audit.Queue(b, audit.Event{
					ID: newID(), At: now, Kind: audit.Reminded, SubscriberID: f.id, Actor: audit.System, Channel: "schedule", RequestID: "maintain",
					Data: audit.Data{Outcome: "reminder_queued", RequestEvent: f.event.String(), Locale: f.locale},
				})
				ConfirmMail.log(b, f.fold, nil, now)
				outbox.Queue(b, outbox.Message{
					ID: newID(), Kind: outbox.MailReminder, SubscriberID: f.id, EventID: f.event, Epoch: f.epoch, CreatedAt: now,
				})
			}
			return nil
		})
	if err != nil {
		return 0, fmt.Errorf("remind of requests: %w", err)
	}
	return len(found), nil
}
