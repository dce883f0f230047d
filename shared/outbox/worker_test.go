package outbox

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/internal/fixtures/sqlcheck"
)

func TestUnknownOutcomeIsNotDelivered(t *testing.T) {
	if got := Outcome("unknown").Result(); got != "" {
		t.Errorf("an unknown outcome counts as %q", got)
	}
}

func TestStatementsFitTheSchema(t *testing.T) {
	sqlcheck.Prepare(t, setup(t).admin, ".")
}

// queue enqueues n messages that are due now and returns their ids.
func (b *bundle) queue(n int) []uuid.UUID {
	b.Helper()
	ids := make([]uuid.UUID, n)
	err := b.db.Batch(b.Context(), func(batch *pgx.Batch) {
		for i := range ids {
			ids[i] = uuid.Must(uuid.NewV7())
			Enqueue(batch, Message{ID: ids[i], Kind: "email.confirm", SubscriberID: ids[i], EventID: ids[i], Epoch: 3, CreatedAt: b.now()})
		}
	})
	if err != nil {
		b.Fatal(err)
	}
	return ids
}

func (b *bundle) claim(n int, want int) []Delivery {
	b.Helper()
	claimed, err := b.worker.Claim(b.Context(), Limits{Due: n}, lease)
	if err != nil || len(claimed) != want {
		b.Fatalf("claimed %d, %v, want %d", len(claimed), err, want)
	}
	return claimed
}

func (b *bundle) expect(id uuid.UUID, state, outcome string, attempts int) {
	b.Helper()
	var gotState, gotOutcome string
	var gotAttempts int
	err := b.admin.QueryRow(b.Context(), `select state, coalesce(outcome, ''), attempts from outbox where id = $1`, id.String()).
		Scan(&gotState, &gotOutcome, &gotAttempts)
	if err != nil || gotState != state || gotOutcome != outcome || gotAttempts != attempts {
		b.Fatalf("%s %q after %d, %v; want %s %q after %d", gotState, gotOutcome, gotAttempts, err, state, outcome, attempts)
	}
}

const lease = time.Minute

func TestComplete(t *testing.T) {
	b := setup(t)
	id := b.queue(1)[0]
	d := b.claim(10, 1)[0]
	want := Delivery{ID: id, Kind: "email.confirm", SubscriberID: id, EventID: id, Epoch: 3, Attempt: 1}
	if !d.CreatedAt.Equal(b.now()) || d.Sealed != nil {
		t.Errorf("%+v", d)
	}
	d.CreatedAt, d.Sealed = time.Time{}, nil
	if d.ID != want.ID || d.Kind != want.Kind || d.SubscriberID != want.SubscriberID || d.EventID != want.EventID || d.Epoch != want.Epoch || d.Attempt != want.Attempt {
		t.Errorf("%+v, want %+v", d, want)
	}
	b.claim(10, 0) // leased
	if err := b.worker.Complete(t.Context(), d, "sent"); err != nil {
		t.Fatal(err)
	}
	if err := b.worker.Complete(t.Context(), d, "sent"); err != nil { // repeated: the first response was lost
		t.Fatal(err)
	}
	b.expect(id, "done", "sent", 1)
	b.advance(time.Hour)
	b.claim(10, 0)
}

func TestLeaseExpires(t *testing.T) {
	b := setup(t)
	id := b.queue(1)[0]
	lost := b.claim(1, 1)[0]
	b.advance(lease - time.Microsecond)
	b.claim(1, 0)
	b.advance(time.Microsecond)
	taken := b.claim(1, 1)[0]
	if taken.ID != id || taken.Attempt != 2 {
		t.Fatalf("%+v", taken)
	}
	// The first worker was slow: what it records now is refused.
	for name, mark := range map[string]func() error{
		"done":  func() error { return b.worker.Complete(t.Context(), lost, "late") },
		"retry": func() error { return b.worker.Retry(t.Context(), lost, "late", 0) },
		"dead":  func() error { return b.worker.DeadLetter(t.Context(), lost, "late") },
	} {
		if err := mark(); !errors.Is(err, ErrLeaseLost) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := b.worker.Release(t.Context(), 0, lost); err != nil {
		t.Error(err)
	}
	if err := b.worker.CompleteAll(t.Context(), "late", lost); err != nil {
		t.Error(err)
	}
	b.expect(id, "ready", "", 2)
	if err := b.worker.Complete(t.Context(), taken, "sent"); err != nil {
		t.Error(err)
	}
	if err := b.worker.Retry(t.Context(), taken, "late", 0); !errors.Is(err, ErrLeaseLost) {
		t.Errorf("a completed message: %v", err)
	}
	b.expect(id, "done", "sent", 2)
}

func TestLastRetryDeadLetters(t *testing.T) {
	b := setup(t)
	id := b.queue(1)[0]
	if _, err := b.admin.Exec(t.Context(), `update outbox set sealed = 'secret'`); err != nil {
		t.Fatal(err)
	}
	for attempt := 1; attempt <= MaxAttempts; attempt++ {
		d := b.claim(1, 1)[0]
		if string(d.Sealed) != "secret" {
			t.Fatal("the payload is lost")
		}
		if err := b.worker.Retry(t.Context(), d, "throttled", 0); err != nil {
			t.Fatal(err)
		}
		b.claim(1, 0)
		b.advance(maxPause)
	}
	b.expect(id, "dead", "throttled", MaxAttempts)
	b.advance(100 * time.Hour)
	b.claim(1, 0)
	if n := b.one(`select count(*) from outbox where sealed is not null and finished_at is not null`); n != 1 {
		t.Error("a dead-lettered message lost its payload")
	}
}

func TestRetryAfter(t *testing.T) {
	b := setup(t)
	b.queue(1)
	if err := b.worker.Retry(t.Context(), b.claim(1, 1)[0], "throttled", 2*time.Hour); err != nil {
		t.Fatal(err)
	}
	b.advance(2*time.Hour - time.Second)
	b.claim(1, 0)
	b.advance(time.Second)
	b.claim(1, 1)
}

func TestReleaseCountsNoAttempt(t *testing.T) {
	b := setup(t)
	b.queue(3)
	for range MaxAttempts + 1 {
		if err := b.worker.Release(t.Context(), 0, b.claim(3, 3)...); err != nil {
			t.Fatal(err)
		}
	}
	if d := b.claim(3, 3)[0]; d.Attempt != 1 {
		t.Errorf("%+v", d)
	}
	if err := errors.Join(b.worker.Release(t.Context(), 0), b.worker.CompleteAll(t.Context(), "decoy")); err != nil {
		t.Errorf("release of nothing: %v", err)
	}
}

func TestCompleteAll(t *testing.T) {
	b := setup(t)
	ids := b.queue(3)
	if err := b.worker.CompleteAll(t.Context(), "decoy", b.claim(3, 3)...); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		b.expect(id, "done", "decoy", 1)
	}
	if n := b.one(`select count(*) from outbox where sealed is not null`); n != 0 {
		t.Error("a payload is left")
	}
}

func TestEnqueueIsIdempotent(t *testing.T) {
	b := setup(t)
	m := Message{ID: uuid.Must(uuid.NewV7()), Kind: None, CreatedAt: b.now()}
	err := b.db.Batch(t.Context(), func(batch *pgx.Batch) {
		Enqueue(batch, m)
		Enqueue(batch, m)
	})
	if err != nil {
		t.Fatal(err)
	}
	if d := b.claim(10, 1)[0]; d.SubscriberID != uuid.Nil || d.EventID != uuid.Nil || d.Epoch != 0 {
		t.Errorf("%+v", d)
	}
}
