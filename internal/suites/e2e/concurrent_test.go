package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"
)

// TestConcurrentSignUpsOfOneAddress signs one address up 50 times at once, from many networks and in several spellings:
// one row, one email, the same answer for all. Sign-ups of other addresses take at most twice their usual time.
func TestConcurrentSignUpsOfOneAddress(t *testing.T) {
	t.Parallel()
	s := shared(t)
	quiet := medianOfOthers(t, s, "quiet", nil)

	spellings := []string{"mass@example.org", "Mass@Example.org", "MASS@EXAMPLE.ORG", " mass@example.org ", "mAsS@eXample.Org"}
	statuses := make(chan int, 50)
	busy := medianOfOthers(t, s, "busy", func() {
		var visitors sync.WaitGroup
		for i := range 50 {
			visitors.Go(func() {
				v := newVisitor(s.base, fmt.Sprintf("127.20.%d.1", i))
				body, _ := json.Marshal(map[string]string{"email": spellings[i%len(spellings)]})
				got, err := v.try(http.MethodPost, subscribePath, string(body), asJSON)
				if err != nil {
					t.Error(err)
				}
				statuses <- got.Status
			})
		}
		visitors.Wait()
	})
	close(statuses)
	answers := map[int]int{}
	for status := range statuses {
		answers[status]++
	}
	if answers[http.StatusAccepted] != 50 {
		t.Errorf("answers by status: %v, want 50 × 202", answers)
	}
	s.drained(t)
	if n := s.count(t, "subscribers where email_norm = 'mass@example.org'"); n != 1 {
		t.Errorf("%d rows, want 1", n)
	}
	if emails := newVisitor(s.base, "127.20.0.1").inbox(t, "mass@example.org"); len(emails) != 1 {
		// The email goes to the spelling of the latest request, so the inbox matches all spellings.
		t.Errorf("%d emails, want 1", len(emails))
	}
	if n := s.count(t, "ledger_events e join subscribers s on s.id = e.subscriber_id where s.email_norm = 'mass@example.org'"); n != 50 {
		t.Errorf("%d ledger events, want one for each request", n)
	}
	t.Logf("median of other addresses: %v quiet, %v under load", quiet, busy)
}

// medianOfOthers returns the median duration of sign-ups of other addresses, one after the other, while beside runs.
func medianOfOthers(t *testing.T, s *stack, name string, beside func()) time.Duration {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if beside != nil {
			beside()
		}
	}()
	var times []time.Duration
	v := newVisitor(s.base, "127.21.1.1")
	for i := range 25 {
		began := time.Now()
		v.subscribe(t, fmt.Sprintf("%s-%d@example.net", name, i))
		times = append(times, time.Since(began))
	}
	<-done
	slices.Sort(times)
	return times[len(times)/2]
}
