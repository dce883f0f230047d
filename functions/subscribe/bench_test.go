package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/internal/local/pgserver"
	"newsletter/shared/httpapi"
)

const (
	// environments is the number of concurrent environments, with a connection each, and of pgbench's clients.
	environments = 20
	// rounds is the number of alternating runs of about a second each, so that a change of the machine's speed affects
	// both.
	rounds = 5
)

// BenchmarkSubscribe compares the sign-ups per second, from event to response, with those of pgbench, which runs only
// the same statements in the same two round trips, through the same PgBouncer over TLS and with as many connections.
func BenchmarkSubscribe(b *testing.B) {
	pgbench, err := pgbenchPath()
	if err != nil {
		b.Skip(err)
	}
	bundle := functiontest.New(b)
	apis := make([]*httpapi.API, environments)
	for i := range apis {
		apis[i] = bundle.Open(open).HTTP
	}
	var visitors atomic.Uint32
	event := functiontest.SampleHTTP(b, "subscribe", "json-minimal", "")
	signUp := func(api *httpapi.API) {
		n, event := visitors.Add(1), event
		event.Body = fmt.Sprintf(`{"email":"visitor@example-%d.org"}`, n)
		event.RequestContext.HTTP.SourceIP = netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)}).String()
		if got := api.Serve(b.Context(), event); got.Response.StatusCode != http.StatusAccepted {
			b.Errorf("%d %s %v", got.Response.StatusCode, got.Response.Body, got.Err)
		}
	}
	var ours, theirs []float64
	written := 0
	for range rounds {
		signUps, perSecond := aSecond(apis, signUp)
		each := signUps/environments + 1
		ours, theirs = append(ours, perSecond), append(theirs, runPgbench(b, pgbench, bundle.Variables["DATABASE_URL"], each))
		written += signUps + each*environments
	}
	var signedUp, emails int
	bundle.Scan(`select (select count(*) from subscribers), (select count(*) from outbox where kind = 'email.confirm')`, nil, &signedUp, &emails)
	if signedUp != written || emails != written {
		b.Errorf("%d sign-ups and %d emails are in the database, want %d", signedUp, emails, written)
	}
	slices.Sort(ours)
	slices.Sort(theirs)
	b.ReportMetric(100*ours[rounds/2]/theirs[rounds/2], "%pgbench")
	b.ReportMetric(ours[rounds/2], "sign-ups/s")
	b.ReportMetric(0, "ns/op")
}

// aSecond calls do in every environment for a second. It returns the number of calls, and of calls per second.
func aSecond(apis []*httpapi.API, do func(*httpapi.API)) (calls int, perSecond float64) {
	var working sync.WaitGroup
	var done atomic.Int64
	began := time.Now()
	for _, api := range apis {
		working.Go(func() {
			for time.Since(began) < time.Second {
				do(api)
				done.Add(1)
			}
		})
	}
	working.Wait()
	return int(done.Load()), float64(done.Load()) / time.Since(began).Seconds()
}

// perSecond matches the rate in pgbench's output.
var perSecond = regexp.MustCompile(`tps = ([0-9.]+) \(without initial connection time\)`)

// runPgbench signs up a number of visitors with each client, and returns the sign-ups per second.
func runPgbench(b *testing.B, path, url string, each int) float64 {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), path, "--no-vacuum", "--client="+strconv.Itoa(environments), "--jobs=2",
		"--transactions="+strconv.Itoa(each), "--protocol=extended", "--file=testdata/subscribe.pgbench", url)
	output, err := cmd.CombinedOutput()
	found := perSecond.FindSubmatch(output)
	if err != nil || found == nil {
		b.Fatalf("pgbench: %v\n%s", err, output)
	}
	tps, err := strconv.ParseFloat(string(found[1]), 64)
	if err != nil {
		b.Fatal(err)
	}
	return tps
}

// pgbenchPath returns the path of pgbench, which is installed with PostgreSQL's server.
func pgbenchPath() (string, error) {
	for _, folder := range pgserver.Folders() {
		if path, err := exec.LookPath(filepath.Join(folder, "pgbench")); err == nil {
			return path, nil
		}
	}
	return "", errors.New("pgbench is not installed: it comes with PostgreSQL's server")
}
