package outbox

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

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
