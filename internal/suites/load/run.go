package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/internal/suites/fullstack"
	"newsletter/shared/httpapi"
)

// plan is the size of a load.
type plan struct {
	users, environments int
	every               time.Duration
}

// lookers is the share of users who open a page instead of signing up: one in this many.
const lookers = 10

// answer is the result of one request.
type answer struct {
	status int // 0: no answer
	took   time.Duration
	err    error
}

// run starts the system, lets every user make one request, and counts.
func run(ctx context.Context, p plan, log io.Writer) (*fullstack.Report, error) {
	stack, err := fullstack.Start(ctx, "load", p.environments)
	if err != nil {
		return nil, err
	}
	defer stack.Stop()
	for i := range 20 * p.environments { // the first events start environments
		ask(ctx, stack.BaseURL, -1-i)
	}
	watched, stop := context.WithCancel(ctx)
	connections := make(chan int)
	go func() { connections <- watch(watched, stack.Database.AdminURL) }()
	fmt.Fprintf(log, "%d people, one request each in %s\n", p.users, p.every)
	answers := p.crowd(ctx, stack.BaseURL)
	stop()
	c := counts{connections: <-connections}
	if err := c.read(ctx, stack.Admin); err != nil {
		return nil, err
	}
	r := judge(p, answers, c)
	if err := stack.Validate(ctx); err != nil {
		r.Add("%v", err)
	}
	return r, ctx.Err()
}

// crowd sends every user's request at its scheduled time.
func (p plan) crowd(ctx context.Context, base string) []answer {
	answers := make([]answer, p.users)
	gap := p.every / time.Duration(p.users)
	began := time.Now()
	var all sync.WaitGroup
	for user := range p.users {
		due := began.Add(time.Duration(user) * gap)
		select {
		case <-ctx.Done():
		case <-time.After(time.Until(due)):
		}
		all.Go(func() {
			answers[user] = ask(ctx, base, user)
			answers[user].took = time.Since(due)
		})
	}
	all.Wait()
	return answers
}

// signsUp reports whether a user signs up instead of opening a page.
func signsUp(user int) bool { return user%lookers != 0 }

// ask sends a user's request from a network of their own: all of 127.0.0.0/8 is this machine. Users below 0 warm the
// system up with requests that store nothing.
func ask(ctx context.Context, base string, user int) answer {
	method, path, body := http.MethodGet, httpapi.UnsubscribePath+"?token=nobody's", ""
	ip := fmt.Sprintf("127.250.0.%d", max(1, -user))
	switch {
	case user < 0 && user%2 == 0:
		method, path, body = http.MethodPost, httpapi.SubscribePath, `{"email":"nobody"}`
	case user >= 0:
		ip = fmt.Sprintf("127.%d.%d.%d", 20+user/50_000, user/200%250, user%200+1)
		if signsUp(user) {
			method, path, body = http.MethodPost, httpapi.SubscribePath, fmt.Sprintf(`{"email":"person.%d@home-%d.org"}`, user, user)
		}
	}
	transport := &http.Transport{DialContext: (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}).DialContext, DisableKeepAlives: true}
	request, err := http.NewRequestWithContext(ctx, method, base+path, strings.NewReader(body))
	if err != nil {
		return answer{err: err}
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	response, err := (&http.Client{Transport: transport, Timeout: 40 * time.Second}).Do(request)
	if err != nil {
		return answer{err: err}
	}
	defer func() { _ = response.Body.Close() }()
	_, err = io.Copy(io.Discard, response.Body)
	return answer{status: response.StatusCode, err: err}
}

// watch counts the functions' connections to PostgreSQL until ctx ends, and returns the maximum.
func watch(ctx context.Context, url string) int {
	most := 0
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return most
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	for ctx.Err() == nil {
		var now int
		if err := conn.QueryRow(ctx, `select count(*) from pg_stat_activity where usename = 'app' and datname = current_database()`).Scan(&now); err == nil {
			most = max(most, now)
		}
		select {
		case <-ctx.Done():
		case <-time.After(200 * time.Millisecond):
		}
	}
	return most
}

// counts are row counts of the database.
type counts struct{ connections, subscribers, requests, emails int }

func (c *counts) read(ctx context.Context, conn *pgx.Conn) error {
	return conn.QueryRow(ctx, `
select (select count(*) from subscribers where status = 'pending'), (select count(*) from ledger_events where kind = 'subscription.requested'),
       (select count(*) from outbox where kind = 'email.confirm')`).Scan(&c.subscribers, &c.requests, &c.emails)
}

// mostConnections is what the smallest RDS instances leave for the functions.
const mostConnections = 20

func judge(p plan, answers []answer, c counts) *fullstack.Report {
	r := &fullstack.Report{}
	statuses, signedUp := map[int]int{}, 0
	var took []time.Duration
	wrong, example := 0, ""
	for user, a := range answers {
		statuses[a.status]++
		took = append(took, a.took)
		want := http.StatusNotFound // an unknown link
		if signsUp(user) {
			want = http.StatusAccepted
		}
		if a.status == http.StatusAccepted {
			signedUp++
		}
		if a.status != want || a.err != nil {
			wrong++
			example = fmt.Sprintf("%d in place of %d, %v", a.status, want, a.err)
		}
	}
	if wrong > 0 {
		r.Add("%d people got a wrong answer, such as %s", wrong, example)
	}
	for what, n := range map[string]int{"rows": c.subscribers, "ledger events": c.requests, "emails": c.emails} {
		if n != signedUp {
			r.Add("%d sign-ups were answered with success, %d %s are there", signedUp, n, what)
		}
	}
	switch {
	case c.connections == 0:
		r.Add("the connections to PostgreSQL could not be counted")
	case c.connections > mostConnections:
		r.Add("%d connections to PostgreSQL, %d are allowed", c.connections, mostConnections)
	}
	slices.Sort(took)
	at := func(percent int) time.Duration { return took[len(took)*percent/100].Round(100 * time.Microsecond) }
	r.Text = fmt.Sprintf("load: %d people, one request each in %s; answers %v; p50 %s, p95 %s, p99 %s, longest %s; %d sign-ups, %d rows, %d ledger events and %d emails; at most %d connections to PostgreSQL; %d problems",
		p.users, p.every, statuses, at(50), at(95), at(99), took[len(took)-1].Round(time.Millisecond), signedUp, c.subscribers, c.requests, c.emails, c.connections, len(r.Problems))
	return r
}
