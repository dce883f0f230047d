package subscription

import (
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const outcomeSQL = `
select coalesce(data->>'outcome', '') from ledger_events where id = $1::text::uuid`

// loadOutcome reads what an earlier run of the same transaction recorded under the event's id. A transaction is
// repeated when the answer to its commit was lost. If the commit itself succeeded, there is nothing left to do.
func loadOutcome(b *pgx.Batch, eventID uuid.UUID, outcome *Outcome) {
	b.Queue(outcomeSQL, eventID.String()).QueryRow(func(found pgx.Row) error {
		var recorded string
		err := ignoreNoRows(found.Scan(&recorded))
		*outcome = Outcome(recorded)
		return err
	})
}
