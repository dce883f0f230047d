package e2e

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"newsletter/internal/fixtures/delayproxy"
	"newsletter/internal/fixtures/testenv"
	"newsletter/internal/local/devstack"
)

// beside is the number of round trips to Redis in parallel to the work that a request waits for.
const beside = 1

// oneWay is the latency in each direction. It separates bursts from each other on a busy machine.
const oneWay = 15 * time.Millisecond

// TestRoundTrips counts the network round trips of warm requests through proxies with latency, also after idle seconds.
// One of those to Redis writes the statistics of the previous request, in parallel to the database work.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	db := testenv.PgBouncer(t)
	redis := testenv.Redis(t)
	postgresProxy, databaseURL := through(t, db.AppURL)
	redisProxy, redisURL := through(t, redis.URL)
	s := start(t, devstack.Options{
		Database:    &devstack.Database{AppURL: databaseURL, AdminURL: db.AdminURL, CAFile: db.CAFile, AppPassword: db.AppPassword, KeeperPassword: db.KeeperPassword},
		Redis:       &devstack.Redis{URL: redisURL, CAFile: redis.CAFile},
		Variables:   with(generous, "DELIVERY_LINGER", "0s"),
		Concurrency: 1, NoSchedules: true,
	})
	s.db = db
	v := newVisitor(s.base, "127.50.1.1")
	for _, address := range []string{"rt1@example.org", "rt2@example.org", "rt3@example.org"} {
		v.subscribe(t, address)
	}
	s.deliver(t)
	link := func(address, path string) string { return v.mail(t, address, 1).link(t, path) }
	v.send(t, http.MethodPost, link("rt1@example.org", confirmPath), agree, asForm)
	v.send(t, http.MethodPost, link("rt1@example.org", unsubscribePath), "")

	for _, idle := range []time.Duration{0, 5 * time.Second} {
		time.Sleep(idle)
		address := map[time.Duration]string{0: "rt2@example.org", 5 * time.Second: "rt3@example.org"}[idle]
		for _, step := range []struct {
			name            string
			do              func() answer
			redis, postgres int
		}{
			{"subscribe", func() answer { return v.subscribe(t, "again-"+address) }, 1 + beside, 2},
			{"confirm", func() answer { return v.send(t, http.MethodPost, link(address, confirmPath), agree, asForm) }, 1 + beside, 2},
			{"one-click unsubscribe", func() answer { return v.send(t, http.MethodPost, link(address, unsubscribePath), "") }, 0 + beside, 2},
		} {
			redisBefore, postgresBefore := redisProxy.RoundTrips(), postgresProxy.RoundTrips()
			if got := step.do(); got.Status >= 300 {
				t.Fatalf("%s: %d %s", step.name, got.Status, got.Body)
			}
			if got := redisProxy.RoundTrips() - redisBefore; got != step.redis {
				t.Errorf("%s, idle %v: %d round trips to Redis, want %d", step.name, idle, got, step.redis)
			}
			if got := postgresProxy.RoundTrips() - postgresBefore; got != step.postgres {
				t.Errorf("%s, idle %v: %d round trips to PostgreSQL, want %d", step.name, idle, got, step.postgres)
			}
		}
	}
}

// through starts a proxy in front of the server in a URL.
func through(t *testing.T, server string) (*delayproxy.Proxy, string) {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := delayproxy.Start(u.Host, oneWay)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Close() })
	u.Host = proxy.Addr()
	return proxy, u.String()
}
