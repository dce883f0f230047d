package requeststats

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func TestTotalsDoNotFall(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	recorder := r.recorder()
	for range 10 {
		recorder.Count(request(200, time.Millisecond))
	}
	write(t.Context(), recorder)
	r.fold()
	if err := r.client().FlushAll(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	recorder.Count(request(200, time.Millisecond))
	write(t.Context(), recorder)
	r.fold()
	if got := r.sum("span = 300"); got != 10 {
		t.Errorf("%d after Redis lost its data", got)
	}
}

// broken is a database that is lost when the context ends.
type broken struct{ end context.CancelFunc }

func (b broken) Transact(context.Context, int64, func(*pgx.Batch), func(*pgx.Batch) error) error {
	b.end()
	return errors.New("lost")
}

func TestFailedFoldIsRepeated(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	recorder := r.recorder()
	recorder.Count(request(200, time.Millisecond))
	write(t.Context(), recorder)
	r.now = r.now.Add(time.Hour)
	ctx, end := context.WithCancel(t.Context())
	if err := Fold(ctx, r.client(), broken{end}, r.now); err == nil {
		t.Fatal("no error")
	}
	r.fold()
	if got := r.sum("span = 300"); got != 1 {
		t.Errorf("%d", got)
	}
}

// TestFoldedSlots checks that a slot leaves the unfolded ones, and returns when an environment writes late.
func TestFoldedSlots(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	recorder := r.recorder()
	unfolded := func(want int) {
		t.Helper()
		r.fold()
		if got, err := r.client().SMembers(t.Context(), unfoldedKey).Result(); err != nil || len(got) != want {
			t.Errorf("%v %v, want %d", got, err, want)
		}
	}
	recorder.Count(request(200, time.Millisecond))
	recorder.Count(request(200, time.Millisecond))
	write(t.Context(), recorder)
	recorder.Count(request(200, time.Millisecond)) // then the environment is frozen
	unfolded(1)
	r.now = r.now.Truncate(shortestSlot).Add(shortestSlot + foldsAfterEnd)
	unfolded(1)
	r.now = r.now.Add(time.Second)
	unfolded(0)
	write(t.Context(), recorder)
	unfolded(0)
	if got := r.sum("span = 3600"); got != 3 {
		t.Errorf("%d, want 3", got)
	}
}

// TestConcurrentFolds checks that each fold sums the hour with the minutes that the others wrote.
func TestConcurrentFolds(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	hour := r.now.Truncate(time.Hour)
	totals := func(slot int) []total {
		return []total{{key{hour.Add(time.Duration(slot) * shortestSlot).Unix(), "subscribe POST", 2, false, 5}, 7}}
	}
	holder, err := r.conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := holder.Exec(t.Context(), `select pg_advisory_xact_lock($1)`, int64(foldLock)); err != nil { // a slow fold
		t.Fatal(err)
	}
	var folding sync.WaitGroup
	for slot := range 4 {
		folding.Go(func() {
			if err := store(t.Context(), r.db, totals(slot)); err != nil {
				t.Error(err)
			}
		})
	}
	time.Sleep(100 * time.Millisecond)
	if got := r.sum("true"); got != 0 {
		t.Errorf("%d requests are stored during another fold", got)
	}
	if err := holder.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	folding.Wait()
	if slots, hours := r.sum("span = 300"), r.sum("span = 3600"); slots != 28 || hours != slots {
		t.Errorf("%d in slots, %d in the hour", slots, hours)
	}
}
