package monitor

import (
	"math"

	"github.com/jackc/pgx/v5"

	"newsletter/cmd/newsletter/internal/terminal"
	"newsletter/shared/ledger"
)

// SignUps counts events of the ledger by slot.
type SignUps struct {
	Requested, Confirmed, Unsubscribed series
	Capped                             bool // only the latest maxEvents were counted; the oldest slots are unknown
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
		of := map[ledger.Kind]*series{ledger.Requested: &s.Requested, ledger.Confirmed: &s.Confirmed, ledger.Unsubscribed: &s.Unsubscribed}
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

func (s *series) sum() int64 {
	var sum float64
	for _, value := range s {
		if !math.IsNaN(value) {
			sum += value
		}
	}
	return int64(sum)
}

func (s SignUps) section(v View) []string {
	requested, confirmed := s.Requested.sum(), s.Confirmed.sum()
	count := func(n int64) string { return atLeast(n, s.Capped) }
	draw := func(of series) string { return terminal.Sparkline(of[:], slots) }
	return terminal.Columns("lrrl",
		v.titles("SIGN-UPS, LAST HOUR", "", "", ""),
		[]string{"requested", count(requested), "", draw(s.Requested)},
		[]string{"confirmed", count(confirmed), terminal.FormatPercent(confirmed, requested), draw(s.Confirmed)},
		[]string{"unsubscribed", count(s.Unsubscribed.sum()), "", draw(s.Unsubscribed)},
	)
}
