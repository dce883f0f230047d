package main

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/internal/local/devstack"
	"newsletter/shared/httpapi"
)

// withLoops returns a fixture whose function accepts events of a fake of Loops.
func withLoops(t *testing.T) (*functiontest.Fixture, *devstack.Loops) {
	t.Helper()
	b := functiontest.New(t)
	b.Variables["LOOPS_SIGNING_SECRET"] = devstack.LoopsSigningSecret
	return b, &devstack.Loops{}
}

// signedCall returns an event of Loops, signed at a time, as the gateway passes it.
func signedCall(t *testing.T, e devstack.LoopsEvent, at time.Time) events.APIGatewayV2HTTPRequest {
	t.Helper()
	signed, err := e.Request(t.Context(), "https://api.example.org"+httpapi.LoopsPath, at)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(signed.Body)
	if err != nil {
		t.Fatal(err)
	}
	event := functiontest.SampleHTTP(t, "engagement", "loops-not-signed", "")
	event.Body = string(body)
	for name := range signed.Header {
		event.Headers[strings.ToLower(name)] = signed.Header.Get(name)
	}
	return event
}

// TestLoopsEvents checks the consequence of every event, also of a repeated one, for an active subscriber.
func TestLoopsEvents(t *testing.T) {
	t.Parallel()
	const checked = "check.loops"
	for name, test := range map[string]struct {
		react           func(l *devstack.Loops)
		status, enqueue string
	}{
		"email.unsubscribed":               {func(l *devstack.Loops) { l.React("jane@example.org", "email.unsubscribed") }, "active", checked},
		"contact.unsubscribed":             {func(l *devstack.Loops) { l.React("jane@example.org", "email.unsubscribed") }, "active", checked},
		"contact.deleted":                  {func(l *devstack.Loops) { l.Remove("jane@example.org") }, "active", ""},
		"contact.mailingList.unsubscribed": {func(l *devstack.Loops) { unsubscribeFrom(t, l, "list1") }, "active", checked},
		"email.hardBounced":                {func(l *devstack.Loops) { l.React("jane@example.org", "email.hardBounced") }, "suppressed", ""},
		"email.spamReported":               {func(l *devstack.Loops) { l.React("jane@example.org", "email.spamReported") }, "suppressed", ""},
		"email.opened":                     {func(l *devstack.Loops) { l.React("jane@example.org", "email.opened") }, "active", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, loops := withLoops(t)
			b.Activate("jane@example.org")
			loops.Put(devstack.LoopsContact{Email: "Jane@Example.org", Subscribed: true, MailingLists: map[string]bool{"list1": true}})
			test.react(loops)
			api, sent := b.Open(open).HTTP, 0
			for _, e := range loops.Events() {
				var named struct{ EventName string }
				if json.Unmarshal(e.Body, &named); named.EventName != name {
					continue
				}
				sent++
				for range 2 {
					if got := functiontest.Serve(t, api, signedCall(t, e, time.Now())); got.Response.StatusCode != http.StatusNoContent {
						t.Fatalf("%d %s", got.Response.StatusCode, got.Response.Body)
					}
				}
			}
			if sent != 1 {
				t.Fatalf("%d events", sent)
			}
			expect(b, `select status from subscribers`, test.status)
			expect(b, `select distinct kind from outbox where kind like 'check.%'`, test.enqueue)
			wantEvents := ""
			if test.status == "suppressed" {
				wantEvents = "subscription.suppressed provider loops"
			}
			expect(b, `select kind || ' ' || actor || ' ' || channel from ledger_events where channel = 'loops'`, wantEvents)
		})
	}
}

// unsubscribeFrom takes a contact from a mailing list, as the owner or the person does at Loops.
func unsubscribeFrom(t *testing.T, l *devstack.Loops, list string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "/api/v1/contacts/update",
		strings.NewReader(`{"email":"jane@example.org","mailingLists":{"`+list+`":false}}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+devstack.LoopsKey)
	request.Header.Set("Content-Type", "application/json")
	l.ServeHTTP(discard{}, request)
}

type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}

// TestCallsThatLoopsDidNotSign checks that a call without a valid and recent signature changes nothing.
func TestCallsThatLoopsDidNotSign(t *testing.T) {
	t.Parallel()
	b, loops := withLoops(t)
	b.Activate("jane@example.org")
	loops.Put(devstack.LoopsContact{Email: "jane@example.org", Subscribed: true})
	loops.React("jane@example.org", "email.spamReported")
	e := loops.Events()[0]
	genuine := signedCall(t, e, time.Now())
	with := func(change func(event *events.APIGatewayV2HTTPRequest)) events.APIGatewayV2HTTPRequest {
		event := signedCall(t, e, time.Now())
		change(&event)
		return event
	}
	before := b.CountRows()
	calls := map[string]events.APIGatewayV2HTTPRequest{
		"replayed":  signedCall(t, e, time.Now().Add(-6*time.Minute)),
		"postdated": signedCall(t, e, time.Now().Add(6*time.Minute)),
		"body":      with(func(e *events.APIGatewayV2HTTPRequest) { e.Body = strings.Replace(e.Body, "jane", "joe", 1) }),
		"id":        with(func(e *events.APIGatewayV2HTTPRequest) { e.Headers["webhook-id"] = "msg_other" }),
		"time": with(func(e *events.APIGatewayV2HTTPRequest) {
			e.Headers["webhook-timestamp"] = strconv.FormatInt(time.Now().Unix()+1, 10)
		}),
		"signature": with(func(e *events.APIGatewayV2HTTPRequest) { e.Headers["webhook-signature"] = "v1,AAAA" }),
		"too old":   functiontest.SampleHTTP(t, "engagement", "loops-too-old", ""),
		"unsigned":  functiontest.SampleHTTP(t, "engagement", "loops-not-signed", ""),
	}
	api := b.Open(open).HTTP
	for name, event := range calls {
		if got := functiontest.Serve(t, api, event); got.Response.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d %s", name, got.Response.StatusCode, got.Response.Body)
		}
	}
	b.ExpectRows(before)
	delete(b.Variables, "LOOPS_SIGNING_SECRET")
	if got := functiontest.Serve(t, b.Open(open).HTTP, genuine); got.Response.StatusCode != http.StatusNotFound {
		t.Errorf("without a secret: %d", got.Response.StatusCode)
	}
	b.ExpectRows(before)
}

// TestSignedCallsWithAnything checks what Loops, or who has its secret, may send.
func TestSignedCallsWithAnything(t *testing.T) {
	t.Parallel()
	b, _ := withLoops(t)
	b.Activate("jane@example.org")
	before := b.CountRows()
	api := b.Open(open).HTTP
	about := func(email string) string {
		return `{"eventName":"email.spamReported","eventTime":1770000000,"webhookSchemaVersion":"1.0.0","contactIdentity":{"email":` + email + `}}`
	}
	for body, want := range map[string]int{
		"":   422,
		"{}": 422, "null": 422, "[]": 422, `"x"`: 422, "{": 422, "\xff": 422,
		strings.Replace(about(`"jane@example.org"`), "1.0.0", "2.0.0", 1): 422,
		about(`"joe@example.org"`):                                        204,
		about(`"not an address"`):                                         204,
		about(`""`):                                                       204,
		about(`null`):                                                     204,
		about(`["jane@example.org"]`):                                     422,
		about(`"` + "jane\\u0000@x" + `"`):                                204,
		`{"eventName":"testing.testEvent","eventTime":1770000000,"webhookSchemaVersion":"1.0.0","message":"Testing webhooks"}`: 204,
		`{"eventName":"contact.unsubscribed","eventTime":1e400,"webhookSchemaVersion":"1.0.0"}`:                                422,
		strings.Repeat(" ", 64<<10) + about(`"jane@example.org"`):                                                              413,
	} {
		if got := functiontest.Serve(t, api, signedCall(t, devstack.LoopsEvent{ID: "msg_1", Body: []byte(body)}, time.Now())); got.Response.StatusCode != want {
			t.Errorf("%.100q: %d %s, want %d", body, got.Response.StatusCode, got.Response.Body, want)
		}
	}
	b.ExpectRows(before)
}

// TestAnEventDuringAnOutage checks that Loops is asked to send an event again while the database is lost.
func TestAnEventDuringAnOutage(t *testing.T) {
	t.Parallel()
	b, loops := withLoops(t)
	loops.Put(devstack.LoopsContact{Email: "jane@example.org", Subscribed: true})
	loops.React("jane@example.org", "email.unsubscribed")
	b.Variables["DATABASE_URL"] = "postgres://app:password@127.0.0.1:1/newsletter"
	got := functiontest.Serve(t, b.Open(open).HTTP, signedCall(t, loops.Events()[0], time.Now()))
	if got.Response.StatusCode != http.StatusServiceUnavailable || got.Response.Headers["retry-after"] == "" && got.Response.Headers["Retry-After"] == "" {
		t.Errorf("%d %v", got.Response.StatusCode, got.Response.Headers)
	}
}
