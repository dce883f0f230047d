package subscription

import (
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const outcomeSQL = `
select coalesce(data->>'outcome', '') from ledger_events where id = $1::text::uuid`

// loadOutcome finds what an earlier run of the same transaction recorded under the event's id. A transaction is repeated
// when the answer to its commit was lost; if the commit itself was not, there is nothing left to do.
func loadOutcome(b *pgx.Batch, eventID uuid.UUID, outcome *Outcome) {
	b.Queue(outcomeSQL, eventID.String()).QueryRow(func(found pgx.Row) error {
		var recorded string
		err := optional(found.Scan(&recorded))
		*outcome = Outcome(recorded)
		return err
	})
}
