package outbox

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"newsletter/internal/sqlcheck"
)

func TestStatementsFitTheSchema(t *testing.T) {
	sqlcheck.Prepare(t, setup(t).admin, ".")
}

// queue puts n messages in, due at once, and returns their ids.
func (b *bundle) queue(n int) []uuid.UUID {
	b.Helper()
	ids := make([]uuid.UUID, n)
	err := b.db.Batch(b.Context(), func(batch *pgx.Batch) {
		for i := range ids {
			ids[i] = uuid.Must(uuid.NewV7())
			Queue(batch, Message{ID: ids[i], Kind: MailConfirm, SubscriberID: ids[i], EventID: ids[i], Epoch: 3, CreatedAt: b.now()})
		}
	})
	if err != nil {
		b.Fatal(err)
	}
	return ids
}

func (b *bundle) claim(n int, want int) []Delivery {
	b.Helper()
	claimed, err := b.worker.Claim(b.Context(), n, lease)
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

func TestADeliveryFromClaimToDone(t *testing.T) {
	b := setup(t)
	id := b.queue(1)[0]
	d := b.claim(10, 1)[0]
	want := Delivery{ID: id, Kind: MailConfirm, SubscriberID: id, EventID: id, Epoch: 3, Attempt: 1}
	if !d.CreatedAt.Equal(b.now()) || d.Sealed != nil {
		t.Errorf("%+v", d)
	}
	d.CreatedAt, d.Sealed = time.Time{}, nil
	if d.ID != want.ID || d.Kind != want.Kind || d.SubscriberID != want.SubscriberID || d.EventID != want.EventID || d.Epoch != want.Epoch || d.Attempt != want.Attempt {
		t.Errorf("%+v, want %+v", d, want)
	}
	b.claim(10, 0) // it is leased
	if err := b.worker.Done(t.Context(), d, "sent"); err != nil {
		t.Fatal(err)
	}
	if err := b.worker.Done(t.Context(), d, "sent"); err != nil { // the answer to the first was lost
		t.Fatal(err)
	}
	b.expect(id, "done", "sent", 1)
	b.advance(time.Hour)
	b.claim(10, 0)
}

func TestALostWorkersRowComesBack(t *testing.T) {
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
	// The first worker was not dead, only slow. Nothing it says now counts.
	for name, mark := range map[string]func() error{
		"done":  func() error { return b.worker.Done(t.Context(), lost, "late") },
		"retry": func() error { return b.worker.Retry(t.Context(), lost, "late", 0) },
		"dead":  func() error { return b.worker.Dead(t.Context(), lost, "late") },
	} {
		if err := mark(); !errors.Is(err, ErrLost) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := b.worker.Release(t.Context(), lost); err != nil {
		t.Error(err)
	}
	if err := b.worker.Skip(t.Context(), "late", lost); err != nil {
		t.Error(err)
	}
	b.expect(id, "ready", "", 2)
	if err := b.worker.Done(t.Context(), taken, "sent"); err != nil {
		t.Error(err)
	}
	if err := b.worker.Retry(t.Context(), taken, "late", 0); !errors.Is(err, ErrLost) {
		t.Errorf("a finished row: %v", err)
	}
	b.expect(id, "done", "sent", 2)
}

func TestRetriesEnd(t *testing.T) {
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
		t.Error("a dead row keeps its payload for the operator")
	}
}

func TestRetryAfterIsObeyed(t *testing.T) {
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

func TestReleaseDoesNotCount(t *testing.T) {
	b := setup(t)
	b.queue(3)
	for range MaxAttempts + 1 {
		if err := b.worker.Release(t.Context(), b.claim(3, 3)...); err != nil {
			t.Fatal(err)
		}
	}
	if d := b.claim(3, 3)[0]; d.Attempt != 1 {
		t.Errorf("%+v", d)
	}
	if err := errors.Join(b.worker.Release(t.Context()), b.worker.Skip(t.Context(), "decoy")); err != nil {
		t.Errorf("nothing to do: %v", err)
	}
}

func TestSkip(t *testing.T) {
	b := setup(t)
	ids := b.queue(3)
	if err := b.worker.Skip(t.Context(), "decoy", b.claim(3, 3)...); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		b.expect(id, "done", "decoy", 1)
	}
	if n := b.one(`select count(*) from outbox where sealed is not null`); n != 0 {
		t.Error("a payload is left")
	}
}

// One row that always fails holds up no other.
func TestAPoisonedRowIsAlone(t *testing.T) {
	b := setup(t)
	poison := b.queue(1)[0]
	b.advance(time.Second)
	b.queue(10)
	done := 0
	for range 20 {
		for _, d := range b.claimSome(3) {
			if d.ID == poison {
				if err := b.worker.Retry(t.Context(), d, "refused", 0); err != nil {
					t.Fatal(err)
				}
				continue
			}
			done++
			if err := b.worker.Done(t.Context(), d, "sent"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if done != 10 {
		t.Errorf("%d of 10 went out", done)
	}
}

func TestTheLongestDueGoFirst(t *testing.T) {
	b := setup(t)
	first := b.queue(2)
	b.advance(time.Second)
	b.queue(2)
	claimed := b.claim(2, 2)
	for _, d := range claimed {
		if !slices.Contains(first, d.ID) {
			t.Errorf("%v came before its time", d.ID)
		}
	}
	// Not before they are due.
	err := b.db.Batch(t.Context(), func(batch *pgx.Batch) {
		Queue(batch, Message{ID: uuid.Must(uuid.NewV7()), Kind: None, CreatedAt: b.now(), DueAt: b.now().Add(time.Hour)})
	})
	if err != nil {
		t.Fatal(err)
	}
	if rest := b.claim(10, 2); rest[0].Kind == None || rest[1].Kind == None {
		t.Errorf("%+v", rest)
	}
}

func TestManyWorkersShareTheRows(t *testing.T) {
	b := setup(t)
	const rows = 300
	b.queue(rows)
	var mu sync.Mutex
	seen := map[uuid.UUID]int{}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for {
				claimed, err := b.worker.Claim(t.Context(), 7, lease)
				if err != nil {
					t.Error(err)
					return
				}
				if len(claimed) == 0 {
					return
				}
				for _, d := range claimed {
					mu.Lock()
					seen[d.ID]++
					mu.Unlock()
					if err := b.worker.Done(t.Context(), d, "sent"); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
	// A worker that comes while the last rows are being claimed sees none and ends; the others have them.
	if len(seen) != rows {
		t.Errorf("%d of %d", len(seen), rows)
	}
	for id, times := range seen {
		if times != 1 {
			t.Errorf("%s was handed out %d times", id, times)
		}
	}
}

// The rows that another worker is just claiming are passed over and not waited for.
func TestAClaimNeverWaits(t *testing.T) {
	b := setup(t)
	b.queue(2)
	tx, err := b.admin.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback(t.Context())
	if _, err := tx.Exec(t.Context(), `select id from outbox order by due_at limit 1 for update`); err != nil {
		t.Fatal(err)
	}
	b.claim(10, 1)
}

func TestQueueingTwiceIsOnce(t *testing.T) {
	b := setup(t)
	m := Message{ID: uuid.Must(uuid.NewV7()), Kind: None, CreatedAt: b.now()}
	err := b.db.Batch(t.Context(), func(batch *pgx.Batch) {
		Queue(batch, m)
		Queue(batch, m)
	})
	if err != nil {
		t.Fatal(err)
	}
	if d := b.claim(10, 1)[0]; d.SubscriberID != uuid.Nil || d.EventID != uuid.Nil || d.Epoch != 0 {
		t.Errorf("%+v", d)
	}
}

func TestDepth(t *testing.T) {
	b := setup(t)
	measure := func(want Depth) {
		t.Helper()
		if got, err := b.worker.Depth(t.Context()); err != nil || got != want {
			t.Fatalf("%+v, %v, want %+v", got, err, want)
		}
	}
	measure(Depth{})
	b.queue(4)
	b.advance(time.Minute)
	measure(Depth{Ready: 4, Overdue: time.Minute, Oldest: time.Minute})
	claimed := b.claim(3, 3)
	if err := errors.Join(b.worker.Dead(t.Context(), claimed[0], "gone"), b.worker.Done(t.Context(), claimed[1], "sent")); err != nil {
		t.Fatal(err)
	}
	if _, err := b.admin.Exec(t.Context(), `update outbox set state = 'held', hold_reason = 'test' where id = $1`, claimed[2].ID.String()); err != nil {
		t.Fatal(err)
	}
	measure(Depth{Ready: 1, Held: 1, Dead: 1, Overdue: time.Minute, Oldest: time.Minute})
	b.claim(1, 1)
	b.advance(lease / 2)
	measure(Depth{Ready: 1, Held: 1, Dead: 1, Oldest: time.Minute + lease/2}) // in a lease, so not overdue
}
