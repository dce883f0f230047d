package loops

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"newsletter/internal/local/devstack"
	"newsletter/shared/config"
	"newsletter/shared/outbox"
)

// after does something after a call.
type after struct {
	Doer
	path string
	then func()
}

func (a after) Do(r *http.Request) (*http.Response, error) {
	response, err := a.Doer.Do(r)
	if strings.HasSuffix(r.URL.Path, a.path) {
		a.then()
	}
	return response, err
}

// methods are all methods that call Loops, each with an existing contact.
var methods = map[string]func(context.Context, *Client) error{
	"subscribe": func(ctx context.Context, l *Client) error {
		_, err := l.Subscribe(ctx, Subscriber{Email: jane, SubscriberID: id})
		return err
	},
	"unsubscribe": func(ctx context.Context, l *Client) error {
		_, err := l.Unsubscribe(ctx, Subscriber{Email: jane})
		return err
	},
	"delete": func(ctx context.Context, l *Client) error {
		_, err := l.Delete(ctx, Subscriber{Email: jane})
		return err
	},
	"find": func(ctx context.Context, l *Client) error {
		_, err := l.Find(ctx, jane)
		return err
	},
	"send": func(ctx context.Context, l *Client) error {
		return l.Send(ctx, Email{To: jane, TransactionalID: "t", Key: "k"})
	},
}

func TestFailures(t *testing.T) {
	for name, test := range map[string]struct {
		fault devstack.Fault
		want  outbox.Failure
	}{
		"throttled":              {devstack.Fault{Status: 429}, outbox.Failure{Cause: "throttled", AffectsDestination: true, RetryAfter: time.Second}},
		"throttled for longer":   {devstack.Fault{Status: 429, RetryAfter: 30}, outbox.Failure{Cause: "throttled", AffectsDestination: true, RetryAfter: 30 * time.Second}},
		"wrong key":              {devstack.Fault{Status: 401, Body: `{"error":"Invalid API key"}`}, outbox.Failure{Cause: "unauthorized", AffectsDestination: true, NeedsOwner: true}},
		"forbidden":              {devstack.Fault{Status: 403}, outbox.Failure{Cause: "unauthorized", AffectsDestination: true, NeedsOwner: true}},
		"moved":                  {devstack.Fault{Status: 308}, outbox.Failure{Cause: "moved", AffectsDestination: true, NeedsOwner: true}},
		"broken":                 {devstack.Fault{Status: 500, Body: "<html>jane"}, outbox.Failure{Cause: "status_500"}},
		"out of order":           {devstack.Fault{Status: 503, RetryAfter: 7}, outbox.Failure{Cause: "status_503", RetryAfter: 7 * time.Second}},
		"not an address":         {devstack.Fault{Status: 400, Body: `{"success":false,"path":"email","message":"jane"}`}, outbox.Failure{Cause: "bad_request", Permanent: true}},
		"an answer without end":  {devstack.Fault{Drip: time.Minute}, outbox.Failure{Cause: "timeout"}},
		"no answer":              {devstack.Fault{Delay: time.Minute}, outbox.Failure{Cause: "timeout"}},
		"an empty answer":        {devstack.Fault{Status: 200}, outbox.Failure{Cause: "bad_response"}},
		"a page":                 {devstack.Fault{Status: 200, Body: "<html>"}, outbox.Failure{Cause: "bad_response"}},
		"an error inside":        {devstack.Fault{Status: 200, Body: `{"success":false,"message":"jane"}`}, outbox.Failure{Cause: "bad_response"}},
		"a connection that ends": {devstack.Fault{Lost: true}, outbox.Failure{Cause: "unreachable"}},
	} {
		for method, do := range methods {
			t.Run(name+"/"+method, func(t *testing.T) {
				b := setup(t)
				b.fake.Put(devstack.LoopsContact{Email: jane, Subscribed: true})
				b.fake.Template("t")
				ctx := t.Context()
				if test.want.Cause == "timeout" {
					short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
					defer cancel()
					ctx = short
				}
				b.fake.Fail(test.fault)
				if got := failure(t, do(ctx, b.Client)); got != test.want {
					t.Errorf("%+v, want %+v", got, test.want)
				}
				if err := do(t.Context(), b.Client); err != nil {
					t.Errorf("retry: %v", err)
				}
			})
		}
	}
}

// The second and third call of Subscribe fail like the first.
func TestEveryCallOfSubscribeMayFail(t *testing.T) {
	for name, test := range map[string]struct {
		path  string
		fault devstack.Fault
		want  outbox.Failure
	}{
		"suppression":                {"/find", devstack.Fault{Status: 502}, outbox.Failure{Cause: "status_502"}},
		"suppression, without a say": {"/find", devstack.Fault{Status: 200, Body: `{}`}, outbox.Failure{Cause: "bad_response"}},
		"update":                     {"/suppression", devstack.Fault{Status: 429}, outbox.Failure{Cause: "throttled", AffectsDestination: true, RetryAfter: time.Second}},
		"update, an error inside":    {"/suppression", devstack.Fault{Status: 200, Body: `{"success":false}`}, outbox.Failure{Cause: "bad_response"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := setup(t)
			b.fake.Put(devstack.LoopsContact{Email: jane, Subscribed: true})
			b.http = after{b.http, test.path, func() { b.fake.Fail(test.fault) }}
			got, err := b.Subscribe(t.Context(), Subscriber{Email: jane, SubscriberID: id})
			if failure := failure(t, err); got != "" || failure != test.want {
				t.Errorf("%q %+v, want %+v", got, failure, test.want)
			}
		})
	}
}

func TestKeyIsNotSentElsewhere(t *testing.T) {
	t.Parallel()
	var got []string
	thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = append(got, r.Header.Get("Authorization")) }))
	t.Cleanup(thief.Close)
	server := httptest.NewServer(http.RedirectHandler(thief.URL, http.StatusTemporaryRedirect))
	t.Cleanup(server.Close)
	l := New(Config{APIKey: config.Seal("secret"), BaseURL: server.URL}, client(server))
	if f := failure(t, methods["find"](t.Context(), l)); f.Cause != "moved" || len(got) != 0 {
		t.Errorf("%+v, %v", f, got)
	}
}

func TestLongResponseIsCut(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `[{"email":"`)
		for range 64 {
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				return
			}
		}
	}))
	t.Cleanup(server.Close)
	l := New(Config{APIKey: config.Seal("secret"), BaseURL: server.URL}, client(server))
	if f := failure(t, methods["find"](t.Context(), l)); f.Cause != "bad_response" {
		t.Errorf("%+v", f)
	}
}
