package subscription

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"newsletter/shared/ledger"
)

// SentValue is a value of a source as sent, with the number of subscribers who have it.
type SentValue struct {
	Field       string `json:"field"` // as in the form, such as "utm_campaign"
	Value       string `json:"value"`
	Subscribers int    `json:"subscribers"`
}

// The subscribers of a value are counted, so that one of them cannot make it look common.
const sentValuesSQL = `
select s.key, s.value, count(distinct coalesce(e.subscriber_id, e.id))::integer
from event_context c join ledger_events e on e.id = c.event_id, jsonb_each_text(c.source) s
group by s.key, s.value having count(distinct coalesce(e.subscriber_id, e.id)) >= $1::integer
order by 3 desc, 1, 2 limit $2::integer`

// ListUndeclared returns the values of sources that at least minimum subscribers sent within the retention of contexts and
// that the ledger keeps as ledger.Undeclared, the most frequent first, at most limit. The error is the database's.
func (s *Store) ListUndeclared(ctx context.Context, d ledger.Declarations, minimum, limit int) ([]SentValue, error) {
	var all []SentValue
	err := s.db.Batch(ctx, func(b *pgx.Batch) {
		b.Queue(sentValuesSQL, minimum, limit).Query(func(rows pgx.Rows) error {
			var err error
			all, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (v SentValue, err error) {
				return v, row.Scan(&v.Field, &v.Value, &v.Subscribers)
			})
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list sent sources: %w", err)
	}
	all = slices.DeleteFunc(all, func(v SentValue) bool { return d.Keeps(v.Field, v.Value) })
	return all, nil
}
