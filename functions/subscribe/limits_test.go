package main

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"newsletter/internal/fixtures/functiontest"
)

// closedPort is a local port on which no server listens.
const closedPort = "127.0.0.1:1"

func TestNetworkLimit(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Variables["LIMITS_SUBSCRIBE"] = "2/10m@host"
	api := b.Open(open).HTTP
	for range 2 {
		if got := functiontest.Serve(t, api, functiontest.SampleHTTP(t, "subscribe", "json", "")); got.Response.StatusCode != http.StatusAccepted {
			t.Fatalf("%d %s", got.Response.StatusCode, got.Response.Body)
		}
	}
	before := b.CountRows()
	got := functiontest.Serve(t, api, functiontest.SampleHTTP(t, "subscribe", "json", ""))
	after, err := strconv.Atoi(got.Response.Headers["Retry-After"])
	if got.Response.StatusCode != http.StatusTooManyRequests || err != nil || after < 1 || after > 650 {
		t.Fatalf("%d %v", got.Response.StatusCode, got.Response.Headers)
	}
	b.ExpectRows(before)
	if got := functiontest.Serve(t, api, functiontest.SampleHTTP(t, "subscribe", "json-ipv6", "")); got.Response.StatusCode != http.StatusAccepted {
		t.Errorf("another network: %d", got.Response.StatusCode)
	}
	// An invalid request is refused before it is counted.
	if got := functiontest.Serve(t, api, functiontest.SampleHTTP(t, "subscribe", "address-invalid", "")); got.Response.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("an invalid request: %d", got.Response.StatusCode)
	}
}

// TestTooFastIsOnlyRecorded checks that a short fill time alone neither changes the response nor keeps the email back.
func TestTooFastIsOnlyRecorded(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	api := b.Open(open).HTTP
	now := time.Now().UTC().Format(time.RFC3339Nano)
	body := `{"email":"jane@example.org","started_at":"` + now + `"}`
	got := functiontest.Serve(t, api, post(t, body))
	if got.Response.StatusCode != http.StatusAccepted {
		t.Fatalf("%d %s", got.Response.StatusCode, got.Response.Body)
	}
	b.ExpectState("jane@example.org pending", "requested:confirmation_queued", "email.confirm")
	if got := b.Strings(`select data->>'reasons' from ledger_events`); got[0] != `["too_fast"]` {
		t.Errorf("reasons %s", got)
	}
}

func TestDatabaseFailureIsRefunded(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Variables["LIMITS_SUBSCRIBE"] = "1/10m@host"
	down := functiontest.New(t)
	down.Variables["PEPPER"], down.Variables["LIMITS_SUBSCRIBE"] = b.Variables["PEPPER"], b.Variables["LIMITS_SUBSCRIBE"]
	down.Variables["DATABASE_URL"] = "postgres://app:password@" + closedPort + "/newsletter"
	got := functiontest.Serve(t, down.Open(open).HTTP, functiontest.SampleHTTP(t, "subscribe", "json", ""))
	if got.Response.StatusCode != http.StatusServiceUnavailable || got.Response.Headers["Retry-After"] == "" || got.Err == nil {
		t.Fatalf("%d %v %v", got.Response.StatusCode, got.Response.Headers, got.Err)
	}
	got = functiontest.Serve(t, b.Open(open).HTTP, functiontest.SampleHTTP(t, "subscribe", "json", ""))
	if got.Response.StatusCode != http.StatusAccepted {
		t.Errorf("the request was counted: %d %s", got.Response.StatusCode, got.Response.Body)
	}
}

// TestBusyMailboxCountsAgainstLimit checks that concurrent requests for one address count against the limit.
func TestBusyMailboxCountsAgainstLimit(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Variables["LIMITS_SUBSCRIBE"] = "2/10m@host"
	api := b.Open(open).HTTP
	free := b.LockMailbox("Jane+x@example.org") // another spelling of the address in the event
	b.ExpectBusy(functiontest.Serve(t, api, functiontest.SampleHTTP(t, "subscribe", "json-minimal", "")))
	free()
	for _, want := range []int{http.StatusAccepted, http.StatusTooManyRequests} {
		if got := functiontest.Serve(t, api, functiontest.SampleHTTP(t, "subscribe", "json-minimal", "")); got.Response.StatusCode != want {
			t.Errorf("%d %s, want %d", got.Response.StatusCode, got.Response.Body, want)
		}
	}
}

func TestLimitWithoutRedis(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Variables["REDIS_URL"], b.Variables["LIMITS_SUBSCRIBE"] = "rediss://:secret@"+closedPort, "4/10m@host"
	api := b.Open(open).HTTP
	statuses := map[int]int{}
	for range 5 {
		got := functiontest.Serve(t, api, functiontest.SampleHTTP(t, "subscribe", "json", ""))
		statuses[got.Response.StatusCode]++
	}
	if statuses[http.StatusAccepted] < 1 || statuses[http.StatusTooManyRequests] < 1 || len(statuses) != 2 {
		t.Errorf("%v: the local fallback must limit", statuses)
	}
}

func TestSingleOptIn(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Variables["SIGNUP_DOUBLE_OPT_IN"] = "false"
	functiontest.Serve(t, b.Open(open).HTTP, functiontest.SampleHTTP(t, "subscribe", "json-minimal", ""))
	b.ExpectState("jane@example.org active", "requested:activated", "change")
}

func TestSameResponseInEveryState(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Activate("active@example.org")
	b.SignUp("pending@example.org")
	leaves := b.Activate("left@example.org")
	if _, err := b.Store.Unsubscribe(t.Context(), leaves.Link, functiontest.Visit); err != nil {
		t.Fatal(err)
	}
	api := b.Open(open).HTTP
	first := functiontest.Serve(t, api, post(t, `{"email":"new@example.org"}`))
	for _, email := range []string{"active@example.org", "pending@example.org", "left@example.org"} {
		got := functiontest.Serve(t, api, post(t, `{"email":"`+email+`"}`))
		for name, value := range first.Response.Headers {
			if name != "Ratelimit" && got.Response.Headers[name] != value {
				t.Errorf("%s: header %s is %q, for a new address %q", email, name, got.Response.Headers[name], value)
			}
		}
		if got.Response.StatusCode != first.Response.StatusCode || got.Response.Body != first.Response.Body {
			t.Errorf("%s: %d %s, for a new address %d %s", email, got.Response.StatusCode, got.Response.Body, first.Response.StatusCode, first.Response.Body)
		}
	}
}
