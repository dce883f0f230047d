package journal

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"sync"
	"time"
)

// readConcurrency is the number of entries that are read concurrently. S3 needs some 30 ms for each.
const readConcurrency = 16

// Read returns the entries from the day of a time on, by day and within a day by epoch. An error names an entry that cannot be
// read; Read then continues. An error of the list ends it.
func (j *Journal) Read(ctx context.Context, since time.Time) iter.Seq2[Entry, error] {
	since = truncate(since)
	return func(yield func(Entry, error) bool) {
		for keys, err := range j.storage.List(ctx, root, day(since)) {
			if err != nil {
				yield(Entry{}, fmt.Errorf("list the journal: %w", err))
				return
			}
			for len(keys) > 0 {
				n := min(readConcurrency, len(keys))
				for _, r := range j.fetch(ctx, keys[:n]) {
					if (r.err != nil || !r.entry.At.Before(since)) && !yield(r.entry, r.err) {
						return
					}
				}
				keys = keys[n:]
			}
		}
	}
}

// fetched is an entry, or the error of reading it.
type fetched struct {
	entry Entry
	err   error
}

// fetch reads entries concurrently. It skips keys that are no entries.
func (j *Journal) fetch(ctx context.Context, keys []string) []fetched {
	results := make([]fetched, 0, len(keys))
	var reading sync.WaitGroup
	for _, key := range keys {
		if !strings.HasSuffix(key, ".json") {
			continue
		}
		results = append(results, fetched{})
		result := &results[len(results)-1] // never moves: the capacity suffices
		reading.Go(func() {
			content, err := j.storage.Get(ctx, key)
			if err == nil {
				result.entry, err = decode(key, content)
			}
			if err != nil {
				result.err = fmt.Errorf("read %s: %w", key, err)
			}
		})
	}
	reading.Wait()
	return results
}
