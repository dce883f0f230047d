package capture

import (
	"fmt"
	"regexp"
	"sync"
	"time"
)

const (
	// quietPeriod is the time for which further events of the same cause are left out.
	dedupPeriod = time.Minute
	// maxPerPeriod bounds the events of all causes together, so that errors whose texts never repeat make no storm either.
	maxPerPeriod = 20
)

// quiet lets one event of each cause pass in each period. The zero value is ready. It is safe for concurrent use.
type deduplicator struct {
	mu     sync.Mutex
	causes map[string]*cause
	began  time.Time // of the period over all causes
	passed int       // in that period
}

type cause struct {
	last    time.Time
	leftOut int
}

// pass says whether an event of a cause may leave now, and how many of that cause were left out since the last one that
// did.
func (q *deduplicator) pass(name string, now time.Time) (leftOut int, pass bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if now.Sub(q.began) >= dedupPeriod {
		q.began, q.passed = now, 0
		q.forget(now)
	}
	known := q.causes[name]
	if known != nil && now.Sub(known.last) < dedupPeriod || q.passed >= maxPerPeriod {
		if known != nil {
			known.leftOut++
		}
		return 0, false
	}
	if known == nil {
		known = &cause{}
		if q.causes == nil {
			q.causes = make(map[string]*cause)
		}
		q.causes[name] = known // at most maxPerPeriod a period, until forgotten
	}
	leftOut = known.leftOut
	known.last, known.leftOut = now, 0
	q.passed++
	return leftOut, true
}

// forget drops the causes that have been silent for some periods.
func (q *deduplicator) forget(now time.Time) {
	for name, known := range q.causes {
		if now.Sub(known.last) > 10*dedupPeriod {
			delete(q.causes, name)
		}
	}
}

// changing is what differs between two errors of one cause: ids and numbers.
var changing = regexp.MustCompile(`[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|\d+`)

// causeOf names a chain of errors by the type of its innermost one and the scrubbed text of the whole, without ids and
// numbers. The text of the whole tells a timeout of one dependency from that of another.
func causeOf(err error) string {
	return fmt.Sprintf("%T: %s", innermost(err), changing.ReplaceAllString(Scrub(errorText(err)), "0"))
}

func innermost(err error) error {
	for {
		var inner error
		switch wrapped := err.(type) { //nolint:errorlint // it walks the chain itself
		case interface{ Unwrap() error }:
			inner = wrapped.Unwrap()
		case interface{ Unwrap() []error }:
			if all := wrapped.Unwrap(); len(all) > 0 {
				inner = all[len(all)-1] // "%w: %w" puts the sentinel first and the cause last
			}
		}
		if inner == nil {
			return err
		}
		err = inner
	}
}
