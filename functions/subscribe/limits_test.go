package main

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"testing"
	"time"

	"newsletter/shared/config"

	"newsletter/internal/functiontest"
	"newsletter/shared/admission"
	"newsletter/shared/catalog"
	"newsletter/shared/httpapi"
	"newsletter/shared/pseudonym"
	"newsletter/shared/ratelimit"
	"newsletter/shared/subscription"
)

// dead is a port of this machine where nobody listens.
const dead = "127.0.0.1:1"

func TestTheNetworkIsLimited(t *testing.T) {
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
	// Who makes a mistake is told of it first, and it does not count.
	if got := functiontest.Serve(t, api, functiontest.SampleHTTP(t, "subscribe", "address-invalid", "")); got.Response.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("a mistake: %d", got.Response.StatusCode)
	}
}

func TestARobotThatIsTooFastLearnsNothing(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	api := b.Open(open).HTTP
	now := time.Now().UTC().Format(time.RFC3339Nano)
	body := `{"email":"jane@example.org","started_at":"` + now + `"}`
	got := functiontest.Serve(t, api, post(t, body))
	if got.Response.StatusCode != http.StatusAccepted {
		t.Fatalf("%d %s", got.Response.StatusCode, got.Response.Body)
	}
	b.ExpectState("", "requested:dropped", "none")
	if got := b.Strings(`select data->>'reasons' from ledger_events`); got[0] != `["too_fast"]` {
		t.Errorf("reasons %s", got)
	}
}

func TestALostDatabaseUsesUpNoTry(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Variables["LIMITS_SUBSCRIBE"] = "1/10m@host"
	lost := functiontest.New(t)
	lost.Variables["PEPPER"], lost.Variables["LIMITS_SUBSCRIBE"] = b.Variables["PEPPER"], b.Variables["LIMITS_SUBSCRIBE"]
	lost.Variables["DATABASE_URL"] = "postgres://app:password@" + dead + "/newsletter"
	got := functiontest.Serve(t, lost.Open(open).HTTP, functiontest.SampleHTTP(t, "subscribe", "json", ""))
	if got.Response.StatusCode != http.StatusServiceUnavailable || got.Response.Headers["Retry-After"] == "" || got.Err == nil {
		t.Fatalf("%d %v %v", got.Response.StatusCode, got.Response.Headers, got.Err)
	}
	got = functiontest.Serve(t, b.Open(open).HTTP, functiontest.SampleHTTP(t, "subscribe", "json", ""))
	if got.Response.StatusCode != http.StatusAccepted {
		t.Errorf("the try was used up: %d %s", got.Response.StatusCode, got.Response.Body)
	}
}

// TestABusyAddressUsesUpTries: whoever asks for one address many times at once is no failure of ours, and cannot go on.
func TestABusyAddressUsesUpTries(t *testing.T) {
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

// poisonous panics at the first request.
type poisonous struct {
	store
	calls int
}

func (p *poisonous) Request(ctx context.Context, r subscription.Request) (subscription.Outcome, error) {
	if p.calls++; p.calls == 1 {
		panic("poison")
	}
	return p.store.Request(ctx, r)
}

func TestAPanicUsesUpNoTry(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Variables["LIMITS_SUBSCRIBE"] = "2/10m@host" // half of it in the process
	env := b.Env()
	api, limits, signUps, translations := config.Read[httpapi.Config](env), config.Read[admission.SubscribeLimits](env), config.Read[admission.SignUpConfig](env), catalog.Read(env)
	key, err := pseudonym.NewKey(config.Read[pseudonym.Config](env))
	if err := errors.Join(err, env.Err()); err != nil {
		t.Fatal(err)
	}
	gate := admission.New(ratelimit.New(nil, key, time.Now), admission.Subscribe, limits.Policies, time.Now).SignUps(signUps, nil)
	serve := (&handler{admission: gate, store: &poisonous{store: b.Store}, translations: translations}).api(api)
	event := functiontest.SampleHTTP(t, "subscribe", "json-minimal", "")
	func() {
		defer func() {
			if recover() == nil {
				t.Error("it did not panic")
			}
		}()
		serve.Serve(t.Context(), event)
	}()
	for _, want := range []int{http.StatusAccepted, http.StatusTooManyRequests} {
		if got := functiontest.Serve(t, serve, event); got.Response.StatusCode != want {
			t.Errorf("%d %s, want %d", got.Response.StatusCode, got.Response.Body, want)
		}
	}
}

func TestALostRedisRefusesNobodyAtOnce(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Variables["REDIS_URL"], b.Variables["LIMITS_SUBSCRIBE"] = "rediss://:secret@"+dead, "4/10m@host"
	api := b.Open(open).HTTP
	statuses := map[int]int{}
	for range 5 {
		got := functiontest.Serve(t, api, functiontest.SampleHTTP(t, "subscribe", "json", ""))
		statuses[got.Response.StatusCode]++
	}
	if statuses[http.StatusAccepted] < 1 || statuses[http.StatusTooManyRequests] < 1 || len(statuses) != 2 {
		t.Errorf("%v: the limit must go on in this process", statuses)
	}
}

func TestDoubleOptInCanBeSwitchedOff(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Variables["SIGNUP_DOUBLE_OPT_IN"] = "false"
	functiontest.Serve(t, b.Open(open).HTTP, functiontest.SampleHTTP(t, "subscribe", "json-minimal", ""))
	b.ExpectState("jane@example.org active", "requested:activated", "change")
}

func TestEveryStateGetsTheSameAnswer(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Activate("active@example.org")
	b.SignUp("pending@example.org")
	leaves := b.Activate("left@example.org")
	if _, err := b.Store.Unsubscribe(t.Context(), leaves, functiontest.Visit); err != nil {
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
