package functiontest

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"newsletter/shared/lambdafn"
)

// Links is a function that emails a link to a typed address, by its path without a token.
type Links struct {
	Open             lambdafn.Open
	Function, Sample string // Sample is an event that requests a link for jane@example.org in JSON
}

// TestBotSignals checks that a request sent too fast is recorded, answered like any other, and sends no email, and
// that an invalid start time is reported.
func (l Links) TestBotSignals(t *testing.T) {
	t.Parallel()
	b := New(t)
	b.Activate("jane@example.org")
	api := b.Open(l.Open).HTTP
	event := SampleHTTP(t, l.Function, l.Sample, "")
	inJSON := strings.Replace(event.Body, "{", `{"started_at":"SHOWN",`, 1)
	for contentType, body := range map[string]string{
		"application/json": inJSON, "application/x-www-form-urlencoded": "email=jane@example.org&request=export&started_at=SHOWN",
	} {
		shown := time.Now().UTC().Format(time.RFC3339Nano)
		event.Headers["content-type"], event.Body = contentType, strings.Replace(body, "SHOWN", shown, 1)
		if got := Serve(t, api, event); got.Response.StatusCode != http.StatusAccepted {
			t.Errorf("%s: %d %s", contentType, got.Response.StatusCode, got.Response.Body)
		}
		event.Body = strings.Replace(body, "SHOWN", "yesterday", 1)
		if got := Serve(t, api, event); got.Response.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(got.Response.Body, "#/started_at") {
			t.Errorf("%s: %d %s", contentType, got.Response.StatusCode, got.Response.Body)
		}
	}
	got := b.Strings(`select data->>'outcome' || ' ' || (data->>'reasons') from ledger_events where kind = 'link.requested'`)
	if len(got) != 2 || got[0] != `dropped ["too_fast"]` || got[1] != got[0] {
		t.Errorf("recorded %v", got)
	}
	if got := b.Strings(`select kind from outbox where kind like 'email.%' and kind <> 'email.confirm'`); len(got) != 0 {
		t.Errorf("emails %v", got)
	}
}

// TestBusyMailbox checks that many concurrent requests for one address cause no server error, and count against the
// limit.
func (l Links) TestBusyMailbox(t *testing.T) {
	t.Parallel()
	b := New(t)
	b.Variables["LIMITS_"+strings.ToUpper(l.Function)] = "1/10m@host"
	api := b.Open(l.Open).HTTP
	free := b.LockMailbox("jane@example.org")
	b.ExpectBusy(Serve(t, api, SampleHTTP(t, l.Function, l.Sample, "")))
	free()
	if got := Serve(t, api, SampleHTTP(t, l.Function, l.Sample, "")); !strings.Contains(got.Response.Body, "quota-exceeded") {
		t.Errorf("%d %s", got.Response.StatusCode, got.Response.Body)
	}
}
