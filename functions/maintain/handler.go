// Command maintain runs the daily maintenance: it expires unconfirmed sign-ups, sends reminders if configured, deletes
// data after its retention period, records the counts, and seals the ledger.
//
// It may run at any time, manually too, and concurrently. The next run continues what a run does not finish in its
// time.
package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/capture"
	"newsletter/shared/lambdafn"
	"newsletter/shared/ledger"
	"newsletter/shared/postgres"
	"newsletter/shared/retention"
	"newsletter/shared/subscription"
)

const (
	// batchSize is the number of subscribers in one transaction, and in one list.
	batchSize = 200
	// timeToSeal is the part of the invocation reserved for the ledger event and the seals.
	timeToSeal = 20 * time.Second
)

type handler struct {
	db     *postgres.DB
	store  *subscription.Store
	eraser *subscription.Eraser
	sealer *ledger.Sealer
	// remindAfter is the age at which an unconfirmed sign-up is reminded of; 0 for never.
	remindAfter time.Duration
	keep        retention.Config
	now         func() time.Time
}

var errNotATick = errors.New("the event is neither a scheduled event nor empty")

// result is the response to an invocation.
type result struct {
	Counts map[string]int64 `json:"counts"`
	Seals  int              `json:"seals"`
	// Head is the hash of the last seal. It is logged, so that a rebuilt chain is recognized.
	Head string `json:"head,omitempty"`
}

// event runs all parts. An error of one part does not prevent the others.
func (h *handler) event(ctx context.Context, event json.RawMessage) (any, error) {
	if !lambdafn.IsScheduleInput(event) {
		return nil, errNotATick
	}
	counts, err := h.tidy(ctx)
	problems := []error{err, h.record(ctx, counts)}
	done := result{Counts: counts}
	for {
		seal, more, err := h.sealer.Next(ctx)
		if err != nil || !more {
			problems = append(problems, err)
			break
		}
		done.Seals, done.Head = done.Seals+1, hex.EncodeToString(seal.Hash)
	}
	for name, n := range counts {
		lambdafn.Note(ctx, slog.Int64("done_"+name, n))
	}
	if done.Seals > 0 {
		lambdafn.Note(ctx, slog.Int("seals", done.Seals), slog.String("seal", done.Head))
	}
	if err := errors.Join(problems...); err != nil {
		capture.Error(ctx, err)
		return nil, err
	}
	return done, nil
}

// record appends the run to the ledger.
func (h *handler) record(ctx context.Context, counts map[string]int64) error {
	id, now := uuid.Must(uuid.NewV7()), h.now()
	return h.db.Batch(ctx, func(b *pgx.Batch) {
		ledger.Append(b, ledger.Event{
			ID: id, At: now, Kind: ledger.Maintained, Actor: ledger.System, Channel: "schedule", RequestID: "maintain",
			Data: ledger.Data{Outcome: "done", Counts: counts},
		})
	})
}
