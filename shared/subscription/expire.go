package subscription

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/shared/ledger"
)

// Rows that another transaction has locked are skipped; the next run finds them.
const overdueSQL = `
select id, email, email_norm, status, returning_from, epoch, locale, source, request_event_id, requested_at, confirmed_at, ended_at
from subscribers
where (status = 'pending' or status = 'suppressed' and confirmed_at is null) and requested_at <= $1::timestamptz
  and not exists (select from identities i join suppressions p on p.email_hmac = i.email_hmac where i.subscriber_id = subscribers.id and p.reason = 'restriction')
order by requested_at
limit $2::integer
for update skip locked`

// Expire ends up to limit requests that waited for their confirmation longer than pendingLifetime. It deletes a row
// that was never confirmed, unless it is restricted, also if it is suppressed, as after a bounce: the suppression stays.
// A subscriber who had unsubscribed before is unsubscribed again. It returns the number of ended requests; fewer than
// limit means that none are left. It is one transaction in two round trips. The error is the database's.
func (s *Store) Expire(ctx context.Context, limit int) (int, error) {
	var overdue []row
	err := s.transact(ctx, 0,
		func(b *pgx.Batch, before time.Time) {
			overdue = nil
			b.Queue(overdueSQL, before.Add(-pendingLifetime), limit).Query(func(rows pgx.Rows) error {
				var err error
				overdue, err = pgx.CollectRows(rows, func(found pgx.CollectableRow) (row, error) {
					var r row
					return r, r.scan(found)
				})
				return err
			})
		},
		func(b *pgx.Batch, now time.Time) error {
			for _, r := range overdue {
				s.end(b, r, ledger.Event{ID: newID(), At: now, Actor: ledger.System, Channel: "schedule"})
			}
			return nil
		})
	if err != nil {
		return 0, fmt.Errorf("expire requests: %w", err)
	}
	return len(overdue), nil
}

// end ends a pending request, or a suppressed one that was never confirmed. by has the id, time, actor, channel and request id of the event.
func (s *Store) end(b *pgx.Batch, r row, by ledger.Event) {
	d := transition(facts{State: r.Status, Returning: r.Returning}, onExpire)
	if r.Status == Suppressed { // the state stays, without a row
		d = decision{To: Suppressed, Outcome: ExpiredNow, Ledger: ledger.Expired}
	}
	event := r.event(r.Status, d)
	event.ID, event.At, event.Actor, event.Channel, event.RequestID = by.ID, by.At, by.Actor, by.Channel, by.RequestID
	ledger.Append(b, event)
	if r.Status == Suppressed {
		r.delete(b, by.At)
		return
	}
	r.apply(b, d, by.At)
}
