package outbox

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// atSlot makes ready messages wait for a slot.
func (b *bundle) atSlot(in time.Duration) {
	b.Helper()
	if _, err := b.admin.Exec(b.Context(), `update outbox set waits_for = 'slot', due_at = $1, deferred_until = $1 where state = 'ready'`, b.now().Add(in)); err != nil {
		b.Fatal(err)
	}
}

// waits returns how many emails wait for longer than an hour for a slot, and how many have waited for two days.
func (b *bundle) waits() [2]int64 {
	b.Helper()
	depth, err := b.worker.Depth(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	return [2]int64{depth.WithoutSlot, depth.Overdue}
}

// The owner is notified of long waits for a slot, and of long waits for anything. Decoys, retries, and emails that have their
// slot are no waits for a slot.
func TestLongWaitsAreCounted(t *testing.T) {
	b := setup(t)
	b.queue(2)
	b.batch(func(batch *pgx.Batch) {
		Enqueue(batch, Message{ID: uuid.Must(uuid.NewV7()), Kind: None, CreatedAt: b.now()})
	})
	b.atSlot(SlotWarnAfter)
	if got := b.waits(); got != [2]int64{0, 0} {
		t.Errorf("an hour: %v", got)
	}
	b.atSlot(SlotWarnAfter + time.Minute)
	if got := b.waits(); got != [2]int64{2, 0} {
		t.Errorf("longer: %v", got)
	}
	b.advance(SlotWarnAfter + time.Minute)
	for _, d := range b.claim(10, 3) {
		if err := b.worker.Retry(t.Context(), d, "throttled", 60*time.Hour); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.waits(); got != [2]int64{0, 0} {
		t.Errorf("after a failed attempt: %v", got)
	}
	b.advance(WarnAfter)
	if got := b.waits(); got != [2]int64{0, 2} {
		t.Errorf("after two days: %v", got)
	}
}

// Whatever an email waits for, it ends after MaxWait, but not while a worker has it.
func TestOverdueEmailsEnd(t *testing.T) {
	b := setup(t)
	claimed, held, paused, slot := b.queue(1)[0], b.queue(1)[0], b.queue(1)[0], b.queue(1)[0]
	b.batch(func(batch *pgx.Batch) {
		Enqueue(batch, Message{ID: uuid.Must(uuid.NewV7()), Kind: None, CreatedAt: b.now()})
		Enqueue(batch, Message{ID: uuid.Must(uuid.NewV7()), Kind: Change, CreatedAt: b.now()})
	})
	for _, d := range b.claim(10, 6) {
		var err error
		switch d.ID {
		case held:
			err = b.worker.Hold(t.Context(), d, "disposable")
		case paused, slot:
			err = b.worker.Release(t.Context(), 0, d)
		case claimed:
		default:
			err = b.worker.Release(t.Context(), 0, d)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	end := func(want int) {
		t.Helper()
		if n, err := b.worker.EndOverdue(t.Context()); err != nil || n != want {
			t.Fatalf("%d ended, want %d: %v", n, want, err)
		}
	}
	b.advance(MaxWait - time.Second)
	end(0)
	if _, err := b.worker.QueuePaused(t.Context()); err != nil { // all but the held one
		t.Fatal(err)
	}
	if _, err := b.admin.Exec(t.Context(), `update outbox set due_at = $2, deferred_until = $2, waits_for = 'slot' where id = $1`, slot, b.now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.admin.Exec(t.Context(), `update outbox set due_at = $2, waits_for = null where id = $1`, claimed, b.now().Add(lease)); err != nil {
		t.Fatal(err)
	}
	b.advance(time.Second)
	end(3)
	for id, outcome := range map[uuid.UUID]string{held: "outdated", paused: "outdated", slot: "outdated"} {
		b.expect(id, "done", outcome, map[uuid.UUID]int{held: 1}[id])
	}
	b.expect(claimed, "ready", "", 1)
	if n := b.one(`select count(*) from outbox where kind = 'none' and outcome = 'outdated'`); n != 1 {
		t.Error("a decoy waits on")
	}
	if n := b.one(`select count(*) from outbox where kind = 'change' and state = 'ready'`); n != 1 {
		t.Error("a change ended")
	}
	b.advance(2 * lease)
	end(1)
	rows, err := b.admin.Query(t.Context(), `select kind from outbox where state = 'ready'`)
	if err != nil {
		t.Fatal(err)
	}
	if left, err := pgx.CollectRows(rows, pgx.RowTo[string]); err != nil || !slices.Equal(left, []string{"change"}) {
		t.Errorf("left: %v, %v", left, err)
	}
}
