package outbox

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// fanOutNamespace is the UUID namespace of the ids that Expand derives.
var fanOutNamespace = uuid.MustParse("4e1e6b0a-7f0c-5d53-9a55-0b2f6e0d3c11")

// Destination is a receiver of change events or alerts.
type Destination struct {
	Name string
	// NeedsPayload reports that the destination receives the sealed payload of the message, if there is one.
	NeedsPayload bool
}

// A destination's message is added only beside its completed parent: an erasure may have deleted that since the claim.
const insertFanOutSQL = `
insert into outbox (id, kind, subscriber_id, event_id, epoch, due_at, created_at, sealed, state)
select $1::text::uuid, $2::text, nullif($3::text, '')::uuid, nullif($4::text, '')::uuid, $5::integer, $6::timestamptz, $6::timestamptz,
       $7::bytea, 'ready'
where exists (select from outbox where id = $8::text::uuid and state = 'done' and outcome = $9::text)
on conflict (id) do nothing`

// Expand enqueues one message for each destination and completes d, in one transaction. Each message is retried and
// completed on its own, so no destination delays another. The ids are derived from d's, so expanding d again adds
// nothing. If the lease is lost or d was deleted, Expand does nothing.
func (w *Worker) Expand(ctx context.Context, d Delivery, destinations ...Destination) error {
	now := w.now()
	err := w.db.Batch(ctx, func(b *pgx.Batch) {
		b.Queue(completeSQL, d.ID.String(), d.Attempt, string(Expanded), now)
		for _, destination := range destinations {
			var sealed []byte
			if destination.NeedsPayload {
				sealed = d.Sealed
			}
			b.Queue(insertFanOutSQL, uuid.NewSHA1(fanOutNamespace, append(d.ID[:], destination.Name...)).String(),
				string(NotifyOf(d.Kind, destination.Name)), idText(d.SubscriberID), idText(d.EventID), d.Epoch, now, sealed, d.ID.String(), string(Expanded))
		}
	})
	if err != nil {
		return fmt.Errorf("expand a message: %w", err)
	}
	return nil
}
