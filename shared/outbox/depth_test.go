package outbox

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

func (b *bundle) batch(queue func(*pgx.Batch)) {
	b.Helper()
	if err := b.db.Batch(b.Context(), queue); err != nil {
		b.Fatal(err)
	}
}

func (b *bundle) depth(want Depth) {
	b.Helper()
	if want.HeldByReason == nil {
		want.HeldByReason = map[string]int64{}
	}
	if got, err := b.worker.Depth(b.Context()); err != nil || !reflect.DeepEqual(got, want) {
		b.Fatalf("%+v, %v, want %+v", got, err, want)
	}
}

func TestDepth(t *testing.T) {
	b := setup(t)
	b.depth(Depth{})
	b.queue(4)
	b.advance(time.Minute)
	b.depth(Depth{Ready: 4, OldestDue: time.Minute, Oldest: time.Minute})
	claimed := b.claim(3, 3)
	if err := errors.Join(b.worker.DeadLetter(t.Context(), claimed[0], "gone"), b.worker.Complete(t.Context(), claimed[1], "sent")); err != nil {
		t.Fatal(err)
	}
	if err := b.worker.Hold(t.Context(), claimed[2], "test"); err != nil {
		t.Fatal(err)
	}
	b.batch(func(batch *pgx.Batch) {
		Enqueue(batch, Message{ID: uuid.Must(uuid.NewV7()), Kind: None, CreatedAt: b.now(), HoldReason: "test"})
	})
	b.depth(Depth{Ready: 1, Held: 1, HeldByReason: map[string]int64{"test": 1}, Dead: 1, OldestDue: time.Minute, Oldest: time.Minute})
}

// The age of a failing message includes pauses, leases and attempts that did not count.
func TestDepthOfFailing(t *testing.T) {
	t.Parallel()
	for name, fail := range map[string]func(b *bundle, d Delivery) error{
		"unreachable": func(b *bundle, d Delivery) error {
			return b.worker.Retry(b.Context(), d, "unreachable", 6*time.Hour)
		},
		"throttled": func(b *bundle, d Delivery) error { return b.worker.ReleaseFailed(b.Context(), 0, "throttled", d) },
	} {
		t.Run(name, func(t *testing.T) {
			b := setup(t)
			b.queue(2)
			b.advance(time.Minute)
			if err := fail(b, b.claim(1, 1)[0]); err != nil {
				t.Fatal(err)
			}
			b.advance(time.Hour)
			want := Depth{
				Ready: 2, OldestDue: time.Hour + time.Minute, Oldest: time.Hour + time.Minute,
				Failing: []FailingDestination{{Destination: Email, Count: 1, Age: time.Hour + time.Minute, Cause: name}},
			}
			b.depth(want)
			b.advance(lease)
			b.claim(2, map[string]int{"unreachable": 1, "throttled": 2}[name]) // leased messages count as ready
			for _, waiting := range []*time.Duration{&want.OldestDue, &want.Oldest, &want.Failing[0].Age} {
				*waiting += lease
			}
			b.depth(want)
		})
	}
}

// A message counts as failing after three attempts without a recorded cause.
func TestDepthOfLostWorkers(t *testing.T) {
	b := setup(t)
	b.queue(1)
	for range 3 {
		b.claim(1, 1)
		b.advance(lease)
	}
	b.depth(Depth{Ready: 1, Oldest: 3 * lease, Failing: []FailingDestination{{Destination: Email, Count: 1, Age: 3 * lease}}})
}

// Deferred, held and requeued messages are not late.
func TestDepthOfDeferred(t *testing.T) {
	b := setup(t)
	id := b.queue(1)[0]
	late := func(want time.Duration) {
		t.Helper()
		if got, err := b.worker.Depth(t.Context()); err != nil || got.Waiting() != want || got.Ready != 1 {
			t.Errorf("%v %+v, want %v", err, got, want)
		}
	}
	b.advance(time.Hour)
	if err := b.worker.Release(t.Context(), time.Minute, b.claim(1, 1)...); err != nil {
		t.Fatal(err)
	}
	late(0)
	b.advance(3 * time.Minute)
	late(2 * time.Minute)
	if err := b.worker.Release(t.Context(), 0, b.claim(1, 1)...); err != nil { // released, not deferred
		t.Fatal(err)
	}
	late(2 * time.Minute)
	if err := b.worker.Hold(t.Context(), b.claim(1, 1)[0], "signup_burst"); err != nil {
		t.Fatal(err)
	}
	b.advance(time.Hour)
	b.batch(func(batch *pgx.Batch) { ReleaseHeld(batch, id, b.now()) })
	late(0)
	d := b.claim(1, 1)[0]
	if err := b.worker.ReleaseFailed(t.Context(), 0, "throttled", d); err != nil {
		t.Fatal(err)
	}
	if d = b.claim(1, 1)[0]; !d.Released {
		t.Error("the message is no longer marked as released")
	}
	if err := b.worker.DeadLetter(t.Context(), d, "gone"); err != nil {
		t.Fatal(err)
	}
	b.advance(time.Hour)
	b.batch(func(batch *pgx.Batch) { RequeueMessages(batch, []string{id.String()}, b.now(), func(int64) {}) })
	late(0)
}
