// Command maintain runs every hour: it seals the ledger and anchors the seals outside the database. On the first run of a
// day (UTC) it also expires unconfirmed sign-ups, sends reminders if configured, deletes data after its retention
// period, also from events of requests that were never confirmed, records the counts, and verifies the whole ledger.
//
// It may run at any time, manually too, and concurrently. The next run continues what a run does not finish in its
// time, and makes up for a missed day.
package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/anchor"
	"newsletter/shared/capture"
	"newsletter/shared/field"
	"newsletter/shared/lambdafn"
	"newsletter/shared/ledger"
	"newsletter/shared/postgres"
	"newsletter/shared/retention"
	"newsletter/shared/subscription"
)

const (
	// batchSize is the number of subscribers in one transaction, and in one list.
	batchSize = 200
	// timeToRecord is the part of the invocation reserved for the ledger event of the daily work.
	timeToRecord = 20 * time.Second
	// timeToVerify is the least time left for the verification; with less, it waits for the next run. It reads about a
	// million events a minute.
	timeToVerify = 5 * time.Minute
)

type handler struct {
	db      *postgres.DB
	store   *subscription.Store
	eraser  *subscription.Eraser
	sealer  *ledger.Sealer
	anchors *anchor.Anchors
	// remindAfter is the age at which an unconfirmed sign-up is reminded of; 0 for never.
	remindAfter time.Duration
	keep        retention.Config
	fields      field.Declarations
	now         func() time.Time
}

var errNotATick = errors.New("the event is neither a scheduled event nor empty")

// result is the response to an invocation.
type result struct {
	// Counts are those of the daily work; nil if it was not due.
	Counts map[string]int64 `json:"counts,omitempty"`
	// Seals and Anchors are the numbers of seals that were created and anchored.
	Seals   int `json:"seals"`
	Anchors int `json:"anchors"`
	// Head is the hash of the last seal. It is logged, so that a rebuilt chain is recognized.
	Head string `json:"head,omitempty"`
	// Verified is the report of the verification; nil if it was not due.
	Verified *ledger.Report `json:"verified,omitempty"`
}

// event runs all parts. An error of one part does not prevent the others.
func (h *handler) event(ctx context.Context, event json.RawMessage) (any, error) {
	if !lambdafn.IsScheduleInput(event) {
		return nil, errNotATick
	}
	var done result
	problems := []error{h.seal(ctx, &done), h.writeAnchors(ctx, &done)}
	last, err := readTasks(ctx, h.db)
	problems = append(problems, err)
	if err == nil && due(last[daily], h.now()) {
		problems = append(problems, h.runDaily(ctx, last[daily], &done))
	}
	if deadline, limited := ctx.Deadline(); err == nil && due(last[verification], h.now()) && (!limited || time.Until(deadline) >= timeToVerify) {
		problems = append(problems, h.verify(ctx, &done))
	}
	for name, n := range done.Counts {
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

// seal creates all seals that are due.
func (h *handler) seal(ctx context.Context, done *result) error {
	for {
		seal, more, err := h.sealer.Next(ctx)
		if err != nil || !more {
			return err
		}
		done.Seals, done.Head = done.Seals+1, hex.EncodeToString(seal.Hash)
	}
}

// writeAnchors writes an anchor for each seal that has none.
func (h *handler) writeAnchors(ctx context.Context, done *result) error {
	for {
		seals, err := h.sealer.Unanchored(ctx)
		if err != nil || len(seals) == 0 {
			return err
		}
		for _, seal := range seals {
			if err := h.anchors.Write(ctx, anchor.Anchor{To: seal.To, Hash: seal.Hash, Events: seal.Events}); err != nil {
				return err
			}
			if err := h.sealer.SetAnchored(ctx, seal); err != nil {
				return err
			}
			done.Anchors++
		}
	}
}

// runDaily runs the work of a day and records it. A day whose work failed stays due. last is when it was last done.
func (h *handler) runDaily(ctx context.Context, last time.Time, done *result) error {
	counts, err := h.tidy(ctx, last)
	done.Counts = counts
	if err := errors.Join(err, h.record(ctx, counts)); err != nil {
		return err
	}
	return writeTask(ctx, h.db, daily, h.now(), 0)
}

// verify verifies the whole ledger. Its findings are an error.
func (h *handler) verify(ctx context.Context, done *result) error {
	anchors, err := h.anchors.List(ctx)
	if err != nil {
		return err
	}
	report, err := h.sealer.Verify(ctx, ledger.Outside{Anchors: anchors})
	if err != nil {
		return fmt.Errorf("verify the ledger: %w", err)
	}
	done.Verified = &report
	for _, f := range report.Findings {
		lambdafn.Logger(ctx).ErrorContext(ctx, "the ledger differs from its seals", "from", f.From, "to", f.To, "what", f.What)
	}
	err = writeTask(ctx, h.db, verification, h.now(), len(report.Findings))
	if len(report.Findings) > 0 {
		err = errors.Join(err, fmt.Errorf("the ledger differs from its seals in %d findings; see `newsletter ledger verify`", len(report.Findings)))
	}
	return err
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
