package ga4

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"newsletter/internal/local/devstack"
	"newsletter/shared/config"
	"newsletter/shared/outbox"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 123000, time.UTC)

func setup(t *testing.T) (*Client, *devstack.GA4) {
	t.Helper()
	t.Parallel()
	clock := func() time.Time { return now }
	fake := devstack.NewGA4(clock)
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	cfg := Config{MeasurementID: devstack.GA4ID, APISecret: config.Seal(devstack.GA4Secret), BaseURL: server.URL}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, problem := range fake.Problems() {
			t.Errorf("Google would drop: %s", problem)
		}
	})
	client := server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return New(cfg, client, clock), fake
}

// failure returns an error as a Failure, and checks that its text does not contain the secret.
func failure(t *testing.T, err error) outbox.Failure {
	t.Helper()
	f, ok := errors.AsType[*outbox.Failure](err)
	if !ok {
		t.Fatalf("%v is no *outbox.Failure", err)
	}
	for e := error(f); e != nil; e = errors.Unwrap(e) {
		if strings.Contains(e.Error(), devstack.GA4Secret) {
			t.Errorf("the error contains %q", e)
		}
	}
	told := *f
	told.Err = nil
	return told
}

func TestEventsAreCounted(t *testing.T) {
	p, fake := setup(t)
	for _, name := range []EventName{SignedUp, Confirmed, Unsubscribed} {
		err := p.Send(t.Context(), Event{Name: name, At: now.Add(-time.Hour), Source: "blog", Medium: "footer", Campaign: "März 2026"})
		if err != nil {
			t.Error(err)
		}
	}
	events := fake.Events()
	if len(events) != 3 {
		t.Fatalf("%+v", events)
	}
	for i, want := range []string{"newsletter_signup", "newsletter_confirmed", "newsletter_unsubscribed"} {
		e := events[i]
		if e.Name != want || !e.At.Equal(now.Add(-time.Hour)) || e.Params["source"] != "blog" || e.Params["medium"] != "footer" || e.Params["campaign"] != "März 2026" {
			t.Errorf("%+v", e)
		}
	}
}

func TestPersonalDataIsOmitted(t *testing.T) {
	for _, word := range []string{
		"", "jane@example.org", "jane%40example.org", "jane＠example.org", "<script>", "a\nb", "?x=1", "0049 151 1234567", "id-1234567890",
		"5d41402abc4b2a76b9719d911017c592a", strings.Repeat("long ", 21),
	} {
		if got := impersonal(word); got != "" {
			t.Errorf("%q is sent as %q", word, got)
		}
	}
	for _, word := range []string{"blog", "news.example.org", "google / cpc", "spring-sale_2026", "été", "Q3 2026", "a", strings.Repeat("word ", 19) + "word"} {
		if got := impersonal(word); got != word {
			t.Errorf("%q is sent as %q", word, got)
		}
	}
	p, fake := setup(t)
	if err := p.Send(t.Context(), Event{Name: SignedUp, At: now, Source: "jane@example.org"}); err != nil {
		t.Fatal(err)
	}
	if params := fake.Events()[0].Params; len(params) != 2 {
		t.Errorf("%v", params)
	}
}

func TestFailures(t *testing.T) {
	for name, test := range map[string]struct {
		fault devstack.Fault
		want  outbox.Failure
	}{
		"throttled":              {devstack.Fault{Status: 429, RetryAfter: 5}, outbox.Failure{Cause: "throttled", AffectsDestination: true, RetryAfter: 5 * time.Second}},
		"throttled, no time":     {devstack.Fault{Status: 429}, outbox.Failure{Cause: "throttled", AffectsDestination: true, RetryAfter: time.Second}},
		"broken":                 {devstack.Fault{Status: 500}, outbox.Failure{Cause: "status_500"}},
		"out of order":           {devstack.Fault{Status: 503, RetryAfter: 9}, outbox.Failure{Cause: "status_503", RetryAfter: 9 * time.Second}},
		"moved":                  {devstack.Fault{Status: 302}, outbox.Failure{Cause: "moved", AffectsDestination: true, NeedsOwner: true}},
		"not there":              {devstack.Fault{Status: 404}, outbox.Failure{Cause: "status_404", AffectsDestination: true, NeedsOwner: true}},
		"no answer":              {devstack.Fault{Delay: time.Minute}, outbox.Failure{Cause: "timeout"}},
		"an answer without end":  {devstack.Fault{Drip: time.Minute}, outbox.Failure{Cause: "timeout"}},
		"a connection that ends": {devstack.Fault{Lost: true}, outbox.Failure{Cause: "unreachable"}},
	} {
		t.Run(name, func(t *testing.T) {
			p, fake := setup(t)
			ctx := t.Context()
			if test.want.Cause == "timeout" {
				short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
				defer cancel()
				ctx = short
			}
			fake.Fail(test.fault)
			if got := failure(t, p.Send(ctx, Event{Name: SignedUp, At: now})); got != test.want {
				t.Errorf("%+v, want %+v", got, test.want)
			}
			if err := p.Send(t.Context(), Event{Name: SignedUp, At: now}); err != nil {
				t.Errorf("retry: %v", err)
			}
		})
	}
}

// The body of a success is not read: Google reports errors only to its validation server.
func TestResponseIsNotRead(t *testing.T) {
	p, fake := setup(t)
	fake.Fail(devstack.Fault{Status: 200, Body: `{"error":{"code":400}}`})
	if err := p.Send(t.Context(), Event{Name: SignedUp, At: now}); err != nil {
		t.Error(err)
	}
}

func TestOldEventIsNotSent(t *testing.T) {
	p, fake := setup(t)
	got := failure(t, p.Send(t.Context(), Event{Name: SignedUp, At: now.Add(-72 * time.Hour)}))
	if got != (outbox.Failure{Cause: "too_old", Permanent: true}) || len(fake.Calls()) != 0 {
		t.Errorf("%+v %v", got, fake.Calls())
	}
}

func TestConfig(t *testing.T) {
	for name, test := range map[string]struct {
		vars    map[string]string
		enabled bool
		want    string // of the error
	}{
		"off":          {nil, false, ""},
		"on":           {map[string]string{"GA4_MEASUREMENT_ID": "G-AB12CD34EF", "GA4_API_SECRET": "s"}, true, ""},
		"id alone":     {map[string]string{"GA4_MEASUREMENT_ID": "G-AB12CD34EF"}, false, "GA4_API_SECRET: required"},
		"secret alone": {map[string]string{"GA4_API_SECRET": "s"}, false, "GA4_MEASUREMENT_ID: required"},
		"an old id":    {map[string]string{"GA4_MEASUREMENT_ID": "UA-1234-1", "GA4_API_SECRET": "s"}, false, "GA4_MEASUREMENT_ID"},
	} {
		t.Run(name, func(t *testing.T) {
			env := config.FromMap(test.vars)
			cfg := config.Read[Config](env)
			err := env.Err()
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want %q", err, test.want)
			}
			if err == nil && cfg.Enabled() != test.enabled {
				t.Errorf("enabled %v", cfg.Enabled())
			}
		})
	}
}
