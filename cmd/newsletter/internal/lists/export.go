package lists

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/ledger"
	"newsletter/shared/postgres"
	"newsletter/shared/subscription"
)

// exportPage is how many rows are read at a time.
const exportPage = 2000

// The times are shown as in the copy of a person's data: only where they are known.
const exportSQL = `
select id::text, email, status, locale, source, requested_at, confirmed_at, ended_at
from (select s.id, s.email, s.status, coalesce(s.locale, '') as locale, s.source::text as source,
             case when e.kind is distinct from 'subscription.imported' then s.requested_at end as requested_at,
             case when e.kind is distinct from 'subscription.imported' or e.data ? 'original_at' then s.confirmed_at end as confirmed_at,
             s.ended_at
      from subscribers s left join ledger_events e on e.id = s.request_event_id
      where s.status = $1::text and s.id > $2::text::uuid
        and not exists (select from identities i join suppressions p using (email_hmac) where i.subscriber_id = s.id and p.reason = 'restriction')) as shown
where coalesce(confirmed_at, requested_at, '0001-01-01Z') >= $3::timestamptz
order by id limit $4::integer`

// exported are the columns of an export. An import understands them.
var exportColumns = []string{"email", "status", "locale", "confirmed_at", "requested_at", "ended_at", "page", "referrer", "utm_source", "utm_medium", "utm_campaign", "subscriber_id"}

// Export writes the subscribers in a state who consented at or after since and do not restrict the processing, as CSV with headings, and records the
// export and the number of subscribers in the ledger. Cells that a spreadsheet would run as a formula are guarded; an
// import removes the guard.
func Export(ctx context.Context, db *postgres.DB, w io.Writer, status subscription.State, since time.Time) (n int64, err error) {
	out := csv.NewWriter(w)
	if err := out.Write(exportColumns); err != nil {
		return 0, err
	}
	for last := uuid.Nil.String(); ; {
		var page [][]string
		err := db.Batch(ctx, func(b *pgx.Batch) {
			page = nil
			b.Queue(exportSQL, string(status), last, since, exportPage).Query(func(rows pgx.Rows) error {
				var err error
				page, err = pgx.CollectRows(rows, exportRow)
				return err
			})
		})
		if err != nil {
			return n, fmt.Errorf("export subscribers: %w", err)
		}
		for _, row := range page {
			if err := out.Write(row); err != nil {
				return n, err
			}
			last = row[len(row)-1]
		}
		n += int64(len(page))
		if len(page) < exportPage {
			break
		}
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return n, err
	}
	event := ledger.Event{
		ID: uuid.Must(uuid.NewV7()), At: time.Now(), Kind: ledger.ListExported, Actor: ledger.Operator, Channel: "tool", RequestID: "operator",
		Data: ledger.Data{Outcome: "exported", Counts: map[string]int64{string(status): n}},
	}
	return n, db.Batch(ctx, func(b *pgx.Batch) { ledger.Append(b, event) })
}

func exportRow(row pgx.CollectableRow) ([]string, error) {
	var id, email, status, locale, text string
	var requested, confirmed, ended *time.Time
	if err := row.Scan(&id, &email, &status, &locale, &text, &requested, &confirmed, &ended); err != nil {
		return nil, err
	}
	source := ledger.ParseSource(text)
	cells := []string{
		email, status, locale, formatTime(confirmed), formatTime(requested), formatTime(ended), source.Page, source.Referrer, source.Origin, source.Medium,
		source.Campaign, id,
	}
	for i, cell := range cells {
		cells[i] = guard(cell)
	}
	return cells, nil
}

func formatTime(at *time.Time) string {
	if at == nil {
		return ""
	}
	return at.UTC().Format(time.RFC3339Nano)
}
