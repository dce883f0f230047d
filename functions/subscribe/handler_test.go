package main

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/shared/config"
	"newsletter/shared/httpapi"
	"newsletter/shared/outbox"
)

// samples lists the expected response to each file of events/subscribe, and the state of the database after it.
var samples = map[string]struct {
	status                      int
	subscribers, ledger, outbox string
	body                        []string // substrings of the body
}{
	"json":         {202, "jane.doe@example.org pending", "requested:confirmation_queued", "email.confirm", []string{`{"status":"accepted","message":"If this address can be subscribed`}},
	"json-minimal": {202, "jane@example.org pending", "requested:confirmation_queued", "email.confirm", []string{`"accepted"`}},
	"json-ipv6":    {202, "jane@example.org pending", "requested:confirmation_queued", "email.confirm", []string{`"accepted"`}},
	"form": {202, "jane.doe@example.org pending", "requested:confirmation_queued", "email.confirm",
		[]string{`<html lang="de">`, "Bitte prüfen Sie Ihr Postfach", "12345 Town"}},
	"form-multipart":    {202, "jane@example.org pending", "requested:confirmation_queued", "email.confirm", []string{`<html lang="fr">`}},
	"gateway-base-path": {202, "jane@example.org pending", "requested:confirmation_queued", "email.confirm", []string{`"accepted"`}},
	"honeypot":          {202, "jane@example.org pending", "requested:confirmation_queued", "email.confirm held: " + outbox.HoldHoneypot, []string{`{"status":"accepted","message":"If this address can be subscribed`}},
	"consent-unknown":   {202, "jane@example.org pending", "requested:confirmation_queued", "email.confirm", []string{`"accepted"`}},

	"consent-refused":   {422, "", "", "", []string{`"pointer":"#/consent/granted"`}},
	"address-missing":   {422, "", "", "", []string{`"pointer":"#/email"`}},
	"address-invalid":   {422, "", "", "", []string{`"errors":[{"detail":`, `"pointer":"#/email"}]`}},
	"address-injection": {422, "", "", "", []string{`"pointer":"#/email"`}},
	"form-invalid":      {422, "", "", "", []string{"<li>", `name="email" type="email" value="jane"`}},
	"member-unknown":    {422, "", "", "", []string{`"pointer":"#/admin"`}},
	"member-type":       {422, "", "", "", []string{`"pointer":"#/email"`}},
	"member-duplicate":  {400, "", "", "", []string{`"pointer":"#/email"`}},
	"body-truncated":    {400, "", "", "", []string{"malformed-body"}},
	"body-empty":        {400, "", "", "", []string{"malformed-body"}},
	"body-text":         {415, "", "", "", []string{"unsupported-media-type"}},
	"preflight":         {204, "", "", "", nil},
	"get":               {405, "", "", "", []string{"There is nothing here"}},
}

func TestBasePathsAndSlashes(t *testing.T) {
	t.Parallel()
	functiontest.CheckPaths(t, functiontest.New(t).Open(open).HTTP, functiontest.SampleHTTP(t, "subscribe", "address-invalid", ""))
}

func TestSampleEvents(t *testing.T) {
	for _, name := range functiontest.SampleNames(t, "subscribe") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, known := samples[name]
			if !known {
				t.Fatal("add this event to samples")
			}
			b := functiontest.New(t)
			event := functiontest.SampleHTTP(t, "subscribe", name, "")
			got := functiontest.Serve(t, b.Open(open).HTTP, event)
			if got.Response.StatusCode != want.status || got.Err != nil {
				t.Fatalf("%d %v %s, want %d", got.Response.StatusCode, got.Err, got.Response.Body, want.status)
			}
			for _, part := range want.body {
				if !strings.Contains(got.Response.Body, part) {
					t.Errorf("the response lacks %q: %s", part, got.Response.Body)
				}
			}
			b.ExpectState(want.subscribers, want.ledger, want.outbox)
			if want.ledger == "" {
				b.ExpectRows(map[string]int{"subscribers": 0, "ledger_events": 0, "identities": 0, "event_context": 0, "email_log": 0, "outbox": 0})
			}
			if hasLimits := got.Response.Headers["Ratelimit"] != ""; hasLimits != (want.status == 202) {
				t.Errorf("limiter headers: %v", got.Response.Headers)
			}
			expectNoEcho(t, event, got)
		})
	}
}

// emailInput is the input of a page in which the address appears again.
var emailInput = regexp.MustCompile(`<input id="form0-email"[^>]*>`)

// expectNoEcho fails if a response contains personal data of the request, apart from an address to correct.
func expectNoEcho(t *testing.T, event events.APIGatewayV2HTTPRequest, got httpapi.Result) {
	t.Helper()
	response := got.Response
	response.Body = emailInput.ReplaceAllString(response.Body, "")
	content, err := json.Marshal(response)
	if err != nil {
		t.Fatal(err)
	}
	for _, personal := range []string{"jane", "Jane.Doe", event.RequestContext.HTTP.SourceIP} {
		text := strings.ReplaceAll(string(content), "The Jane Letter", "")
		if strings.Contains(text, personal) {
			t.Errorf("the response repeats %q: %s", personal, content)
		}
	}
}

func TestRecordedRequest(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Variables["SIGNUP_SOURCES"] = "/blog/,toot,spring,footer"
	functiontest.Serve(t, b.Open(open).HTTP, functiontest.SampleHTTP(t, "subscribe", "json", ""))
	var email, locale, source, sent, ip, agent, consent, requestID, channel, granted string
	b.Scan(`select s.email, s.locale, s.source::text, c.source::text, host(c.ip), c.user_agent, t.version || '/' || t.locale, e.request_id, e.channel,
			e.data->>'granted'
		from subscribers s join ledger_events e on e.id = s.request_event_id join event_context c on c.event_id = e.id
		join consent_texts t on t.id = e.consent_text_id`, nil,
		&email, &locale, &source, &sent, &ip, &agent, &consent, &requestID, &channel, &granted)
	for _, pair := range [][2]string{
		{email, "Jane.Doe@example.org"}, {locale, "de-AT"}, {ip, "198.51.100.23"}, {consent, "default-1/de"}, {requestID, "JKJaXmPLvHcE001="},
		{channel, "api"}, {granted, "true"},
		{source, `{"ref": "footer", "page": "https://example.org/blog/", "referrer": "other", "utm_medium": "social", "utm_source": "toot", "utm_campaign": "spring"}`},
		{sent, `{"ref": "footer", "page": "https://www.example.org/blog/", "referrer": "https://search.example.net/", "utm_medium": "social", "utm_source": "toot", "utm_campaign": "spring"}`},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%q, want %q", pair[0], pair[1])
		}
	}
	if !strings.HasPrefix(agent, "Mozilla/5.0") {
		t.Errorf("user agent %q", agent)
	}
}

// A form without a script does not know its URL; the browser sends it.
func TestFormPageFromReferer(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	functiontest.Serve(t, b.Open(open).HTTP, functiontest.SampleHTTP(t, "subscribe", "form", ""))
	if got := b.Strings(`select source->>'page' from event_context`); !slices.Equal(got, []string{"https://www.example.org/blog/"}) {
		t.Errorf("page %q", got)
	}
}

func post(t *testing.T, body string) events.APIGatewayV2HTTPRequest {
	t.Helper()
	event := functiontest.SampleHTTP(t, "subscribe", "json-minimal", "")
	event.Body = body
	return event
}

func TestAllInvalidSettingsAreReported(t *testing.T) {
	_, err := open(t.Context(), config.FromMap(map[string]string{"LIMITS_SUBSCRIBE": "many", "SIGNUP_DOUBLE_OPT_IN": "perhaps"}))
	if err == nil {
		t.Fatal("the function starts")
	}
	for _, name := range []string{"SITE_POSTAL_ADDRESS", "DATABASE_URL", "PEPPER", "SITE_NAME", "LIMITS_SUBSCRIBE", "SIGNUP_DOUBLE_OPT_IN"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("the error does not name %s: %v", name, err)
		}
	}
}
