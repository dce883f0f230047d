package outbox

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// childSpace is the name space of the ids that Expand gives.
var fanOutNamespace = uuid.MustParse("4e1e6b0a-7f0c-5d53-9a55-0b2f6e0d3c11")

// Destination is whom announcements are told to.
type Destination struct {
	Name string
	// Sealed says that it is to get the sealed payload of an announcement, if there is one.
	NeedsPayload bool
}

// Expand turns an announcement into one row for each listener and finishes it, in one transaction. Each listener's row
// has retries and an end of its own, so that none holds up another. The rows' ids follow from the announcement's, so that
// expanding it again adds nothing. It returns ErrLeaseLost if the lease is lost.
func (w *Worker) Expand(ctx context.Context, d Delivery, listeners ...Destination) error {
	now := w.now()
	err := w.db.Batch(ctx, func(b *pgx.Batch) {
		for _, listener := range listeners {
			m := Message{
				ID: uuid.NewSHA1(fanOutNamespace, append(d.ID[:], listener.Name...)), Kind: NotifyOf(d.Kind, listener.Name),
				SubscriberID: d.SubscriberID, EventID: d.EventID, Epoch: d.Epoch, CreatedAt: now,
			}
			if listener.NeedsPayload {
				m.Sealed = d.Sealed
			}
			Enqueue(b, m)
		}
		b.Queue(completeSQL, d.ID.String(), d.Attempt, "told", now)
	})
	if err != nil {
		return fmt.Errorf("expand an announcement: %w", err)
	}
	return nil
}
