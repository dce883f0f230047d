package outbox

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

func TestFailingMessageDelaysNoOther(t *testing.T) {
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
			if err := b.worker.Complete(t.Context(), d, "sent"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if done != 10 {
		t.Errorf("%d of 10 were completed", done)
	}
}

func TestClaimTakesLongestDueFirst(t *testing.T) {
	b := setup(t)
	first := b.queue(2)
	b.advance(time.Second)
	b.queue(2)
	claimed := b.claim(2, 2)
	for _, d := range claimed {
		if !slices.Contains(first, d.ID) {
			t.Errorf("%v was claimed too early", d.ID)
		}
	}
	// Messages are not claimed before they are due.
	err := b.db.Batch(t.Context(), func(batch *pgx.Batch) {
		Enqueue(batch, Message{ID: uuid.Must(uuid.NewV7()), Kind: None, CreatedAt: b.now(), DueAt: b.now().Add(time.Hour)})
	})
	if err != nil {
		t.Fatal(err)
	}
	if rest := b.claim(10, 2); rest[0].Kind == None || rest[1].Kind == None {
		t.Errorf("%+v", rest)
	}
}

func TestConcurrentWorkers(t *testing.T) {
	b := setup(t)
	const rows = 300
	b.queue(rows)
	var mu sync.Mutex
	seen := map[uuid.UUID]int{}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for {
				claimed, err := b.worker.Claim(t.Context(), Limits{Due: 7}, lease)
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
					if err := b.worker.Complete(t.Context(), d, "sent"); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
	// A worker that claims nothing while others claim the last messages ends.
	if len(seen) != rows {
		t.Errorf("%d of %d", len(seen), rows)
	}
	for id, times := range seen {
		if times != 1 {
			t.Errorf("%s was claimed %d times", id, times)
		}
	}
}

func TestClaimNeverWaits(t *testing.T) {
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
