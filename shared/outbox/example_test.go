package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/outbox"
)

// A message is enqueued in the transaction of the decision behind it.
func ExampleEnqueue() {
	b := &pgx.Batch{}
	b.Queue("update subscribers set status = 'pending' where id = $1", uuid.New())
	outbox.Enqueue(b, outbox.Message{ID: uuid.New(), Kind: "email.confirm", SubscriberID: uuid.New(), CreatedAt: time.Now()})
	fmt.Println(b.Len())
	// Output: 2
}

// noDatabase fakes a connection pool without a server.
type noDatabase struct{}

func (noDatabase) Batch(context.Context, func(*pgx.Batch)) error { return errors.New("no server") }

// A worker claims, delivers and completes messages.
func ExampleWorker() {
	ctx := context.Background()
	worker := outbox.NewWorker(noDatabase{}, time.Now)
	claimed, err := worker.Claim(ctx, outbox.Limits{Due: 25}, time.Minute)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, d := range claimed {
		if d.Kind == outbox.None {
			err = worker.Complete(ctx, d, "decoy")
		} else {
			err = worker.Retry(ctx, d, "throttled", 0)
		}
		if err != nil && !errors.Is(err, outbox.ErrLeaseLost) {
			fmt.Println(err)
		}
	}
	// Output: claim from the outbox: no server
}
