package webhook

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"newsletter/internal/local/devstack"
	"newsletter/shared/config"
	"newsletter/shared/outbound"
	"newsletter/shared/outbox"
)

var (
	now   = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	event = Event{Type: "subscription.confirmed", At: now.Add(-time.Hour), EventID: "0198c0de-0000-7000-8000-000000000001", SubscriberID: "0198c0de-0000-7000-8000-000000000002",
		Data: map[string]string{"reason": "complaint", "outcome": "", "event_id": "another"}}
)

// other is a secret that the fake does not know.
var other = secretPrefix + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("o", 32)))

// token is the secret part of an address.
const token = "T0ken"

// setup returns an endpoint with secrets, and the fake behind it.
func setup(t *testing.T, secrets string) (*Endpoint, *devstack.Webhooks) {
	t.Helper()
	t.Parallel()
	clock := func() time.Time { return now }
	fake := devstack.NewWebhooks(clock)
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	guard := outbound.Config{AllowPrivate: []string{server.Listener.Addr().String()}}
	return only(t, Config{[]string{server.URL + "/first?" + token}, config.Seal(secrets)}, guard, clock), fake
}

// only returns the one endpoint of a Config.
func only(t *testing.T, cfg Config, guard outbound.Config, clock func() time.Time) *Endpoint {
	t.Helper()
	endpoints, err := Endpoints(cfg, guard, outbound.New(guard, nil), clock)
	if err != nil || len(endpoints) != 1 {
		t.Fatalf("%v %v", endpoints, err)
	}
	for _, e := range endpoints {
		return e
	}
	return nil
}

// failure returns an error as a Failure without its cause, and checks that its text does not contain the address.
func failure(t *testing.T, err error) outbox.Failure {
	t.Helper()
	f, ok := errors.AsType[*outbox.Failure](err)
	if !ok {
		t.Fatalf("%v is no *outbox.Failure", err)
	}
	for e := error(f); e != nil; e = errors.Unwrap(e) {
		if strings.Contains(e.Error(), token) || strings.Contains(e.Error(), event.SubscriberID) {
			t.Errorf("the error contains %q", e)
		}
	}
	told := *f
	told.Err = nil
	return told
}

// The signature is the example of the specification's reference libraries.
func TestKnownSignature(t *testing.T) {
	cfg := Config{[]string{"https://a.example.org/"}, config.Seal(exampleSecret)}
	got := only(t, cfg, outbound.Config{}, time.Now).sign(exampleID, exampleTime, []byte(exampleBody))
	if got != exampleSignature {
		t.Errorf("%s, want %s", got, exampleSignature)
	}
}

func TestSend(t *testing.T) {
	s, fake := setup(t, devstack.WebhookSecret)
	for range 2 { // a repeated call has the same id
		if err := s.Send(t.Context(), "d1", event); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Send(t.Context(), "d2", Event{Type: "subscription.erased", At: now}); err != nil {
		t.Fatal(err)
	}
	first := devstack.WebhookCall{ID: "d1", Path: "/first", Type: event.Type, At: event.At, Data: map[string]string{
		"event_id": event.EventID, "subscriber_id": event.SubscriberID, "reason": "complaint",
	}}
	second := devstack.WebhookCall{ID: "d2", Path: "/first", Type: "subscription.erased", At: now, Data: map[string]string{}}
	if got := fake.Received(); !reflect.DeepEqual(got, []devstack.WebhookCall{first, first, second}) || len(fake.Problems()) != 0 {
		t.Errorf("%+v %v", got, fake.Problems())
	}
}

// While secrets are rotated, the endpoint may have the old or the new one.
func TestSecretRotation(t *testing.T) {
	for name, test := range map[string]struct {
		secrets string
		taken   bool
	}{
		"endpoint has the new one": {devstack.WebhookSecret + "," + other, true},
		"endpoint has the old one": {other + ", " + devstack.WebhookSecret, true},
		"endpoint has neither":     {other, false},
	} {
		t.Run(name, func(t *testing.T) {
			s, fake := setup(t, test.secrets)
			err := s.Send(t.Context(), "d1", event)
			if (err == nil) != test.taken || len(fake.Received()) == 1 != test.taken {
				t.Errorf("%v %v", err, fake.Problems())
			}
		})
	}
}

func TestSignaturesAreNewestFirst(t *testing.T) {
	signed := func(secrets string) string {
		cfg := Config{[]string{"https://a.example.org/"}, config.Seal(secrets)}
		return only(t, cfg, outbound.Config{}, time.Now).sign("d1", "1", nil)
	}
	if got, want := signed(other+","+devstack.WebhookSecret), signed(other)+" "+signed(devstack.WebhookSecret); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// With a list for each endpoint, no endpoint is called with the secrets of another.
func TestSecretsOfEachEndpoint(t *testing.T) {
	urls := []string{"https://a.example.org/", "https://b.example.org/"}
	endpoints, err := Endpoints(Config{urls, config.Seal(other + ";" + devstack.WebhookSecret + "," + other)}, outbound.Config{}, outbound.New(outbound.Config{}, nil), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	for url, want := range map[string]int{urls[0]: 1, urls[1]: 2} {
		if got := len(strings.Fields(endpoints[name(url)].sign("d1", "1", nil))); got != want {
			t.Errorf("%s: %d signatures", url, got)
		}
	}
}

func TestFailures(t *testing.T) {
	for name, test := range map[string]struct {
		fault devstack.Fault
		want  outbox.Failure
	}{
		"gone":      {devstack.Fault{Status: 410}, outbox.Failure{Cause: Gone, Permanent: true, NeedsOwner: true}},
		"throttled": {devstack.Fault{Status: 429, RetryAfter: 30}, outbox.Failure{Cause: "throttled", AffectsDestination: true, RetryAfter: 30 * time.Second}},
		"down":      {devstack.Fault{Status: 500, Body: event.SubscriberID}, outbox.Failure{Cause: "status_500"}},
		"busy":      {devstack.Fault{Status: 503, RetryAfter: 60}, outbox.Failure{Cause: "status_503", RetryAfter: time.Minute}},
		"refused":   {devstack.Fault{Status: 400, Body: token}, outbox.Failure{Cause: "status_400"}},
		"forbidden": {devstack.Fault{Status: 403}, outbox.Failure{Cause: "status_403", NeedsOwner: true}},
		"silent":    {devstack.Fault{Delay: time.Minute}, outbox.Failure{Cause: "timeout"}},
		"slow":      {devstack.Fault{Drip: time.Minute}, outbox.Failure{Cause: "timeout"}},
		"lost":      {devstack.Fault{Lost: true}, outbox.Failure{Cause: "unreachable"}},
	} {
		t.Run(name, func(t *testing.T) {
			s, fake := setup(t, devstack.WebhookSecret)
			fake.Fail(test.fault)
			ctx, cancel := t.Context(), context.CancelFunc(func() {})
			if test.want.Cause == "timeout" {
				ctx, cancel = context.WithTimeout(ctx, 200*time.Millisecond)
			}
			defer cancel()
			err := s.Send(ctx, "d1", event)
			if got := failure(t, err); got != test.want {
				t.Errorf("%+v, want %+v", got, test.want)
			}
			if err := s.Send(t.Context(), "d1", event); err != nil || len(fake.Received()) == 0 || len(fake.Problems()) != 0 {
				t.Errorf("retry: %v, %v", err, fake.Problems())
			}
		})
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	reached := false
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true }))
	t.Cleanup(inside.Close)
	server := httptest.NewServer(http.RedirectHandler(inside.URL, http.StatusPermanentRedirect))
	t.Cleanup(server.Close)
	guard := outbound.Config{AllowPrivate: []string{server.Listener.Addr().String(), inside.Listener.Addr().String()}}
	e := only(t, Config{[]string{server.URL}, config.Seal(other)}, guard, time.Now)
	if got := failure(t, e.Send(t.Context(), "d1", event)); got != (outbox.Failure{Cause: "moved", NeedsOwner: true}) || reached {
		t.Errorf("%+v, reached %v", got, reached)
	}
}

// A name that resolves to a private address fails permanently, without a call.
func TestPrivateAddressIsNotCalled(t *testing.T) {
	e := only(t, Config{[]string{"https://localhost/hook"}, config.Seal(other)}, outbound.Config{}, time.Now)
	if got := failure(t, e.Send(t.Context(), "d1", event)); got != (outbox.Failure{Cause: "private_address_blocked", Permanent: true, NeedsOwner: true}) {
		t.Errorf("%+v", got)
	}
}

// An endpoint's name depends on its address and not on its place in the list.
func TestNames(t *testing.T) {
	a, b := "https://a.example.org/"+token, "https://b.example.org/"
	named := func(urls ...string) map[string]*Endpoint {
		endpoints, err := Endpoints(Config{urls, config.Seal(other)}, outbound.Config{}, outbound.New(outbound.Config{}, nil), time.Now)
		if err != nil || len(endpoints) != len(urls) {
			t.Fatalf("%v %v", endpoints, err)
		}
		return endpoints
	}
	for known, endpoint := range named(a, b) {
		if again := named(b, " "+a)[known]; again == nil || again.url != endpoint.url || strings.Contains(known, token) {
			t.Errorf("%s", known)
		}
	}
}

func TestConfig(t *testing.T) {
	encoded := func(n int) string {
		return secretPrefix + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", n)))
	}
	for name, test := range map[string]struct {
		urls, secrets string
		want          string // of the error
	}{
		"none":           {"", "", ""},
		"one":            {"https://a.example.org/hook", other, ""},
		"two":            {"https://a.example.org/hook, https://b.example.org/", other + ", " + encoded(24) + "," + encoded(64), ""},
		"no secret":      {"https://a.example.org/hook", "", "WEBHOOK_SECRETS: required"},
		"secret alone":   {"", other, ""},
		"own secrets":    {"https://a.example.org/,https://b.example.org/", other + ";" + encoded(24), ""},
		"too many lists": {"https://a.example.org/", other + ";" + other, "one for each of the 1 WEBHOOK_URLS; there are 2"},
		"an empty list":  {"https://a.example.org/,https://b.example.org/", other + ";", "WEBHOOK_SECRETS: list 2: secret 1"},
		"twice":          {"https://a.example.org/, https://a.example.org/", other, "address 2 is a duplicate"},
		"no prefix":      {"https://a.example.org/", other[len(secretPrefix):], "WEBHOOK_SECRETS: secret 1: must be whsec_"},
		"not base64":     {"https://a.example.org/", "whsec_secret!", "WEBHOOK_SECRETS: secret 1"},
		"short":          {"https://a.example.org/", other + "," + encoded(23), "WEBHOOK_SECRETS: secret 2"},
		"long":           {"https://a.example.org/", encoded(65), "WEBHOOK_SECRETS: secret 1"},
		"empty entry":    {"https://a.example.org/,", other, "WEBHOOK_URLS: address 2 must be a web address"},
		"in clear":       {"http://a.example.org/" + token, other, "WEBHOOK_URLS: address 1 must begin with https://"},
		"private":        {"https://b.example.org/,https://10.0.0.1/", other, "WEBHOOK_URLS: address 2 must not be a private address"},
		"port":           {"https://a.example.org:22/", other, "WEBHOOK_URLS: address 1 must be on port"},
	} {
		t.Run(name, func(t *testing.T) {
			env := config.FromMap(map[string]string{"WEBHOOK_URLS": test.urls, "WEBHOOK_SECRETS": test.secrets})
			cfg := config.Read[Config](env)
			if env.Err() == nil {
				_, err := Endpoints(cfg, outbound.Config{}, outbound.New(outbound.Config{}, nil), time.Now)
				env.Add(err)
			}
			err := env.Err()
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
			if err != nil && (strings.Contains(err.Error(), token) || strings.Contains(err.Error(), "secret!")) {
				t.Errorf("it contains a secret: %v", err)
			}
		})
	}
}
