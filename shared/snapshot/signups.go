package snapshot

import (
	"math"

	"github.com/jackc/pgx/v5"

	"newsletter/shared/ledger"
)

// SignUps counts events of the ledger by slot.
type SignUps struct {
	Requested, Confirmed, Unsubscribed Series
	Capped                             bool // only the latest maxEvents were counted; the oldest Slots are unknown
}

// maxEvents limits the events that are counted, so that an attack cannot make the query slow.
const maxEvents = 100000

const signUpsSQL = `
select floor(extract(epoch from at - $1::timestamptz) / 300)::integer, kind, count(*)
from (select at, kind from ledger_events where at >= $1::timestamptz and at <= $2::timestamptz order by at desc limit $3::integer) as latest
group by 1, 2 order by 1 desc`

func readSignUps(b *pgx.Batch, w window, into *SignUps) {
	b.Queue(signUpsSQL, w.from, w.now, maxEvents).Query(func(rows pgx.Rows) error {
		var s SignUps
		of := map[ledger.Kind]*Series{ledger.Requested: &s.Requested, ledger.Confirmed: &s.Confirmed, ledger.Unsubscribed: &s.Unsubscribed}
		var slot int
		var kind string
		var n, all int64
		_, err := pgx.ForEachRow(rows, []any{&slot, &kind, &n}, func() error {
			all += n
			if counts := of[ledger.Kind(kind)]; counts != nil {
				counts.set(slot, float64(n))
			}
			return nil
		})
		if s.Capped = all >= maxEvents; s.Capped {
			for _, counts := range of {
				for i := range slot + 1 { // the last row is of the oldest slot, which may be incomplete
					counts[i] = math.NaN()
				}
			}
		}
		*into = s
		return err
	})
}
