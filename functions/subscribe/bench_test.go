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

	"newsletter/internal/functiontest"
	"newsletter/internal/pgserver"
	"newsletter/shared/httpapi"
)

const (
	// environments is how many environments work at once, with a connection each, and pgbench's clients.
	environments = 20
	// rounds is how often the two take turns, of about a second each, so that a machine whose speed drifts changes
	// both.
	rounds = 5
)

// BenchmarkSubscribe compares the sign-ups of a second, from the event to the answer, with those of pgbench, which runs
// the same statements in the same two round trips and nothing else: through the same PgBouncer over TLS, by as many
// connections.
func BenchmarkSubscribe(b *testing.B) {
	pgbench, err := pgbenchPath()
	if err != nil {
		b.Skip(err)
	}
	bundle := functiontest.New(b)
	bundle.Variables["LIMITS_DOMAIN_EMAILS_PER_HOUR"] = "0"
	apis := make([]*httpapi.API, environments)
	for i := range apis {
		apis[i] = bundle.Open(open).HTTP
	}
	var visitors atomic.Uint32
	event := functiontest.SampleHTTP(b, "subscribe", "json-minimal", "")
	signUp := func(api *httpapi.API) {
		n, event := visitors.Add(1), event
		event.Body = fmt.Sprintf(`{"email":"visitor.%d@example.org"}`, n)
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
	var signedUp, mails int
	bundle.Scan(`select (select count(*) from subscribers), (select count(*) from outbox where kind = 'email.confirm')`, nil, &signedUp, &mails)
	if signedUp != written || mails != written {
		b.Errorf("%d sign-ups and %d emails are in the database, want %d", signedUp, mails, written)
	}
	slices.Sort(ours)
	slices.Sort(theirs)
	b.ReportMetric(100*ours[rounds/2]/theirs[rounds/2], "%pgbench")
	b.ReportMetric(ours[rounds/2], "sign-ups/s")
	b.ReportMetric(0, "ns/op")
}

// aSecond calls do for each environment again and again for a second. It returns how many calls there were, and how
// many in a second. The environments are connected before.
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

// perSecond is pgbench's word for how fast it is once its clients are connected.
var perSecond = regexp.MustCompile(`tps = ([0-9.]+) \(without initial connection time\)`)

// runPgbench signs up a number of visitors by each client, and returns how many sign-ups that is in a second.
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

// pgbenchPath finds pgbench, which comes with the server's programs where they are installed.
func pgbenchPath() (string, error) {
	for _, folder := range pgserver.Folders() {
		if path, err := exec.LookPath(filepath.Join(folder, "pgbench")); err == nil {
			return path, nil
		}
	}
	return "", errors.New("pgbench is not installed: it comes with PostgreSQL's server")
}
