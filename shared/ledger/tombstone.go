package ledger

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// TombstoneAge is the age at which the events of a request that was never confirmed become tombstones. It is the default
// of RETENTION_CONTEXT_DAYS: so long, what attackers sent can be examined. It exceeds the time for which the identity of
// an ended request is kept (35 days after a decline), so none of them can be attributed any more.
const TombstoneAge = 90 * 24 * time.Hour

// requestKinds are the events without a subscriber that become tombstones: what visitors asked for. ledger_write_tombstones_v1
// has them too.
var requestKinds = []string{string(Requested), string(LinkRequested)}

// subscribedStates are the states, before or after an event, of which only a subscriber has one who was active once.
// ledger_write_tombstones_v1 has them too.
var subscribedStates = []string{"active", "unsubscribed"}

const writeTombstonesSQL = `
select ledger_write_tombstones_v1($1::timestamptz, $2::timestamptz, $3::timestamptz, $4::integer)`

// tombstonesBefore returns the time before which events may be tombstones.
func (s *Sealer) tombstonesBefore() time.Time { return s.now().Add(-TombstoneAge) }

// WriteTombstones deletes the content of events that are older than TombstoneAge: of requests that name no subscriber,
// and of all events of a subscriber who was never active and whose identity is deleted. A tombstone keeps id, time,
// kind, subscriber, actor, channel, outcome and states, and a salted hash of what was deleted: source, consent text,
// request id and the rest of the data. Its seal stays valid, and Verify reports tombstones of any other event.
//
// last is when WriteTombstones last ended without an error; the zero time if it never did. Only what became old enough
// since is examined: the last event of a request becomes so after its identity is deleted. Each transaction examines at
// most an hour of the ledger and pageSize events. It returns the number of tombstones, also with an error, which is the
// database's.
func (s *Sealer) WriteTombstones(ctx context.Context, last time.Time) (written int64, err error) {
	before := s.tombstonesBefore()
	from := last.Add(-TombstoneAge - sealSpan) // a span more, for an event at the limit
	if last.IsZero() || last.After(s.now()) {  // a wrong clock
		from = time.Unix(0, 0)
	}
	for {
		first, err := s.firstEvent(ctx, from, before)
		if err != nil || first.IsZero() {
			return written, err
		}
		end := first.Add(sealSpan)
		for {
			var n int64
			err := s.db.Batch(ctx, func(b *pgx.Batch) {
				b.Queue(writeTombstonesSQL, first, before, end, pageSize).QueryRow(func(row pgx.Row) error { return row.Scan(&n) })
			})
			if err != nil {
				return written, fmt.Errorf("write tombstones: %w", err)
			}
			if n == 0 {
				break
			}
			written += n
		}
		from = end
	}
}
