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

// Expand enqueues one message for each destination and completes d, in one transaction. Each message is retried and
// completed on its own, so no destination delays another. The ids are derived from d's, so expanding d again adds
// nothing.
func (w *Worker) Expand(ctx context.Context, d Delivery, destinations ...Destination) error {
	now := w.now()
	err := w.db.Batch(ctx, func(b *pgx.Batch) {
		for _, destination := range destinations {
			m := Message{
				ID: uuid.NewSHA1(fanOutNamespace, append(d.ID[:], destination.Name...)), Kind: NotifyOf(d.Kind, destination.Name),
				SubscriberID: d.SubscriberID, EventID: d.EventID, Epoch: d.Epoch, CreatedAt: now,
			}
			if destination.NeedsPayload {
				m.Sealed = d.Sealed
			}
			Enqueue(b, m)
		}
		b.Queue(completeSQL, d.ID.String(), d.Attempt, string(Expanded), now)
	})
	if err != nil {
		return fmt.Errorf("expand a message: %w", err)
	}
	return nil
}
