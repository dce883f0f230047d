package e2e

import (
	"fmt"
	"net/http"
	"testing"

	"newsletter/internal/fixtures/testenv"
	"newsletter/internal/local/devstack"
)

// TestRedisOutage stops Redis under traffic: no request gets a 5xx, networks are still limited, and the same
// environments use Redis again after its restart.
func TestRedisOutage(t *testing.T) {
	t.Parallel()
	redis := testenv.RedisServer(t)
	s := start(t, devstack.Options{
		Redis: &devstack.Redis{URL: redis.URL, CAFile: redis.CAFile}, Concurrency: 1,
		Variables: map[string]string{"LIMITS_SUBSCRIBE": "8/1h@host"},
	})
	ask := func(network, n int) map[int]int {
		v, statuses := newVisitor(s.base, fmt.Sprintf("127.40.%d.1", network)), map[int]int{}
		for i := range n {
			got := v.send(t, http.MethodPost, subscribePath, fmt.Sprintf(`{"email":"r%d-%d@example.org"}`, network, i), asJSON)
			statuses[got.Status]++
		}
		return statuses
	}
	if got := ask(1, 10); got[202] != 8 || got[429] != 2 {
		t.Fatalf("with Redis: %v, want 8 × 202", got)
	}
	redis.Kill()
	if got := ask(2, 10); got[202] != 4 || got[429] != 6 {
		t.Errorf("without Redis: %v, want half the limit, 4 × 202", got)
	}
	if got := newVisitor(s.base, "127.40.9.1").send(t, http.MethodGet, healthPath, ""); got.Status != http.StatusOK {
		t.Errorf("health without Redis: %d %s, want a warning", got.Status, got.Body)
	}
	redis.Start()
	network := 10
	eventually(t, "Redis to be used again", func() bool {
		network++
		return ask(network, 6)[202] == 6 // the local limiter would allow 4
	})
}

// TestPostgresOutage checks that visitors get a 503 with Retry-After while PostgreSQL is unavailable, and that the
// system recovers by itself.
func TestPostgresOutage(t *testing.T) {
	t.Parallel()
	s := start(t, devstack.Options{Variables: generous})
	v := newVisitor(s.base, "127.41.1.1")
	v.subscribe(t, "leaves@example.org")
	mail := v.mail(t, "leaves@example.org", 1)
	leave := mail.link(t, unsubscribePath)
	if got := v.send(t, http.MethodPost, mail.link(t, confirmPath), agree, asForm); got.Status != http.StatusOK {
		t.Fatalf("confirm: %d", got.Status)
	}
	s.allowConnections(t, false)
	got := v.send(t, http.MethodPost, subscribePath, `{"email":"during@example.org"}`, asJSON)
	if got.Status != http.StatusServiceUnavailable || got.Header.Get("Retry-After") == "" {
		t.Errorf("without PostgreSQL: %d %v", got.Status, got.Header)
	}
	eventually(t, "health to detect it; it caches a report for some seconds", func() bool {
		return v.send(t, http.MethodGet, healthPath, "").Status == http.StatusServiceUnavailable
	})
	if got := v.send(t, http.MethodPost, leave, "List-Unsubscribe=One-Click", asForm); got.Status != http.StatusOK {
		t.Errorf("one click without PostgreSQL: %d", got.Status)
	}
	if got := v.send(t, http.MethodGet, healthPath+"/live", ""); got.Status != http.StatusOK {
		t.Errorf("live without PostgreSQL: %d", got.Status)
	}
	s.allowConnections(t, true)
	eventually(t, "PostgreSQL to be used again", func() bool {
		return v.send(t, http.MethodPost, subscribePath, `{"email":"after@example.org"}`, asJSON).Status == http.StatusAccepted
	})
	eventually(t, "the queued unsubscription to be applied", func() bool {
		return s.count(t, "subscribers where email_norm = 'leaves@example.org' and status = 'unsubscribed'") == 1
	})
	if n := s.count(t, "subscribers where email_norm = 'during@example.org'"); n > 1 {
		t.Errorf("%d rows for one request", n)
	}
}

// TestEmailProviderOutage makes SES unavailable, then slow, then reject permanently: emails wait and are sent once, or
// are dead-lettered, and do not delay others.
func TestEmailProviderOutage(t *testing.T) {
	t.Parallel()
	s := start(t, devstack.Options{Variables: with(generous, "DELIVERY_LINGER", "0s"), NoSchedules: true})
	v := newVisitor(s.base, "127.42.1.1")
	s.Fakes.SES.Fail(devstack.SESFault{Status: 503, Code: "ServiceUnavailable"})
	v.subscribe(t, "later@example.org")
	s.deliver(t)
	if n := s.count(t, "outbox where state = 'ready' and attempts = 1 and outcome = 'status_503' and due_at > now()"); n != 1 {
		t.Fatalf("%d messages wait for a retry, want 1", n)
	}
	s.exec(t, "update outbox set due_at = now() where state = 'ready'")
	s.deliver(t)
	v.mail(t, "later@example.org", 1)

	s.Fakes.SES.Fail(devstack.SESFault{Status: 400, Code: "MessageRejected"})
	v.subscribe(t, "refused@example.org")
	s.deliver(t)
	if n := s.count(t, "outbox where state = 'dead' and outcome = 'rejected'"); n != 1 {
		t.Errorf("%d dead letters, want 1", n)
	}
	v.subscribe(t, "other@example.org")
	s.deliver(t)
	v.mail(t, "other@example.org", 1)
}

// TestNoEmailAfterUnsubscribing checks that the state is read again right before an email is sent.
func TestNoEmailAfterUnsubscribing(t *testing.T) {
	t.Parallel()
	s := start(t, devstack.Options{Variables: with(generous, "DELIVERY_LINGER", "0s"), NoSchedules: true})
	v := newVisitor(s.base, "127.43.1.1")
	const address = "gone@example.org"
	activate(t, s, v, address)
	v.subscribe(t, address) // enqueues "you are already subscribed"
	leave := v.inbox(t, address)[0].link(t, unsubscribePath)
	if got := v.send(t, http.MethodPost, leave, ""); got.Status != http.StatusOK {
		t.Fatalf("unsubscribe: %d", got.Status)
	}
	s.deliver(t)
	if emails := v.inbox(t, address); len(emails) != 1 {
		t.Errorf("%d emails, want the first only", len(emails))
	}
	if n := s.count(t, "outbox where outcome = 'stale'"); n != 1 {
		t.Errorf("%d stale deliveries, want 1", n)
	}
}
