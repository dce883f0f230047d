package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/uuid"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/shared/httpapi"
	"newsletter/shared/token"
)

const (
	requested = "requested:confirmation_queued"
	confirmed = requested + ", confirmed:confirmed"
)

// samples lists the expected response to each file of events/confirm with the link of a pending subscriber, and its
// effect.
var samples = map[string]struct {
	status        int
	state, ledger string
	body, absent  []string // substrings of the body
}{
	"show": {200, "pending", requested, []string{
		`<html lang="en">`, "Do you want to receive The Jane Letter?", "Newsletter per E-Mail erhalten", // the text that was shown: German
		`<input id="form0-agree" name="agree" type="checkbox" value="yes" required><span>Yes, I want to receive`, `name="action" value="decline"`,
	}, []string{"<script", "jane@"}},
	"show-json": {200, "pending", requested, []string{`{"status":"pending"}`}, nil},
	"scanner":   {200, "pending", requested, nil, nil},
	"button":    {200, "active", confirmed, []string{"You are subscribed"}, []string{"jane@"}},
	"bare":      {200, "active", confirmed, []string{`{"status":"active"}`}, nil},
	"decline":   {200, "none", requested + ", declined:declined", []string{"Your request was canceled", "30 days"}, nil},

	"unticked":              {422, "pending", requested, []string{"Please tick the box", `name="agree" type="checkbox" value="yes" required>`, "Newsletter per E-Mail erhalten"}, []string{"checked"}},
	"bare-unticked":         {422, "pending", requested, []string{`"pointer":"#/agree"`}, nil},
	"decline-page":          {200, "pending", requested, []string{"This wasn&#39;t you?", `name="action" value="decline"`, `name="email" type="email" autocomplete="email" required>`}, []string{"jane@"}},
	"decline-other-address": {422, "pending", requested, []string{"Please check the address", `name="action" value="decline"`, `name="email"`}, []string{"other@", "jane@"}},
	"decline-no-address":    {422, "pending", requested, []string{"Please check the address", `name="action" value="decline"`}, nil},

	"action-unknown":  {422, "pending", requested, []string{`"pointer":"#/action"`}, nil},
	"body-json":       {415, "pending", requested, []string{"unsupported-media-type"}, nil},
	"token-missing":   {404, "pending", requested, []string{"urn:newsletter:problem:not-found"}, nil},
	"token-malformed": {404, "pending", requested, []string{"urn:newsletter:problem:not-found"}, nil},
	"token-duplicate": {404, "pending", requested, []string{"urn:newsletter:problem:not-found"}, nil},
	"put":             {405, "pending", requested, []string{"method-not-allowed"}, nil},
}

func TestBasePathsAndSlashes(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	link := b.Sign(b.SignUp("jane@example.org"))
	functiontest.CheckPaths(t, b.Open(open).HTTP, functiontest.SampleHTTP(t, "confirm", "show", link))
}

func TestSampleEvents(t *testing.T) {
	for _, name := range functiontest.SampleNames(t, "confirm") {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, known := samples[name]
			if !known {
				t.Fatal("add this event to samples")
			}
			b := functiontest.New(t)
			link := b.Sign(b.SignUp("jane@example.org"))
			got := functiontest.Serve(t, b.Open(open).HTTP, functiontest.SampleHTTP(t, "confirm", name, link))
			if got.Response.StatusCode != want.status || got.Err != nil {
				t.Fatalf("%d %v %s, want %d", got.Response.StatusCode, got.Err, got.Response.Body, want.status)
			}
			for _, part := range want.body {
				if !strings.Contains(got.Response.Body, part) {
					t.Errorf("the response lacks %q: %s", part, got.Response.Body)
				}
			}
			for _, part := range want.absent {
				if strings.Contains(got.Response.Body, part) {
					t.Errorf("the response contains %q: %s", part, got.Response.Body)
				}
			}
			subscribers := "jane@example.org " + want.state
			if want.state == "none" {
				subscribers = ""
			}
			outbox := "email.confirm"
			if want.state != "pending" {
				outbox += ", change"
			}
			b.ExpectState(subscribers, want.ledger, outbox)
		})
	}
}

func TestConfirmingTwice(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	event := functiontest.SampleHTTP(t, "confirm", "bare", b.Sign(b.SignUp("jane@example.org")))
	api := b.Open(open).HTTP
	first := functiontest.Serve(t, api, event)
	before := b.CountRows()
	second := functiontest.Serve(t, api, event)
	if second.Response.StatusCode != http.StatusOK || second.Response.Body != first.Response.Body {
		t.Errorf("%d %s, first %d %s", second.Response.StatusCode, second.Response.Body, first.Response.StatusCode, first.Response.Body)
	}
	b.ExpectRows(before)
	b.ExpectState("jane@example.org active", confirmed, "email.confirm, change")
}

// TestConfirmationRecordsConsentText checks that the consent is that of the request whose link is used.
func TestConfirmationRecordsConsentText(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	claims := b.SignUp("jane@example.org")
	functiontest.Serve(t, b.Open(open).HTTP, functiontest.SampleHTTP(t, "confirm", "button", b.Sign(claims)))
	var text, request, ip, requestID string
	b.Scan(`select t.version || '/' || t.locale, e.data->>'request_event', host(c.ip), e.request_id
		from ledger_events e join consent_texts t on t.id = e.consent_text_id join event_context c on c.event_id = e.id
		where e.kind = 'subscription.confirmed'`, nil, &text, &request, &ip, &requestID)
	if text != "default-1/de" || request != claims.EventID.String() || ip != "198.51.100.23" || !strings.HasPrefix(requestID, "JKJaXmPLvHcE") {
		t.Errorf("%s %s %s %s", text, request, ip, requestID)
	}
}

// TestSameResponseForEveryInvalidLink checks JSON and pages.
func TestSameResponseForEveryInvalidLink(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	claims := b.SignUp("jane@example.org")
	expired, stranger, old, leaving := claims, claims, claims, claims
	expired.Expires = time.Date(2025, 12, 20, 0, 0, 0, 0, time.UTC) // signed 44 days before the samples
	stranger.SubscriberID = uuid.New()
	old.Epoch++
	leaving.Purpose = token.Unsubscribe
	valid := b.Sign(claims)
	links := map[string]string{
		"expired": b.Sign(expired), "unknown": b.Sign(stranger), "of another epoch": b.Sign(old), "of another purpose": b.Sign(leaving),
		"changed": valid[:len(valid)-2] + "AA", "cut": valid[:40], "with a comma": valid + "," + valid,
	}
	api := b.Open(open).HTTP
	for _, sample := range []string{"bare", "button"} {
		want := functiontest.Serve(t, api, functiontest.SampleHTTP(t, "confirm", sample, "no-token"))
		for name, link := range links {
			got := functiontest.Serve(t, api, functiontest.SampleHTTP(t, "confirm", sample, link))
			if got.Response.StatusCode != http.StatusNotFound || got.Response.Body != want.Response.Body || !sameHeaders(got, want) {
				t.Errorf("%s, %s: %d %s, want %s", sample, name, got.Response.StatusCode, got.Response.Body, want.Response.Body)
			}
		}
	}
	b.ExpectState("jane@example.org pending", requested, "email.confirm")
}

func sameHeaders(a, b httpapi.Result) bool {
	for name, value := range a.Response.Headers {
		if b.Response.Headers[name] != value {
			return false
		}
	}
	return len(a.Response.Headers) == len(b.Response.Headers)
}

func TestConfirmationsNeedNoRedis(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Variables["REDIS_URL"], b.Variables["LIMITS_SUBSCRIBE"] = "rediss://:secret@127.0.0.1:1", "2/10m@host"
	event := functiontest.SampleHTTP(t, "confirm", "bare", b.Sign(b.SignUp("jane@example.org")))
	api := b.Open(open).HTTP
	for i := range 6 {
		got := functiontest.Serve(t, api, event)
		if got.Response.StatusCode != http.StatusOK || got.Response.Headers["Retry-After"] != "" {
			t.Fatalf("call %d: %d %v", i, got.Response.StatusCode, got.Response.Headers)
		}
	}
}

func TestPostIsLimitedAndGetIsNot(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Variables["LIMITS_SUBSCRIBE"] = "2/10m@host"
	link := b.Sign(b.SignUp("jane@example.org"))
	api := b.Open(open).HTTP
	for i, want := range []int{200, 200, 429} {
		if got := functiontest.Serve(t, api, functiontest.SampleHTTP(t, "confirm", "bare", link)); got.Response.StatusCode != want {
			t.Errorf("call %d: %d, want %d", i, got.Response.StatusCode, want)
		}
	}
	if got := functiontest.Serve(t, api, functiontest.SampleHTTP(t, "confirm", "show", link)); got.Response.StatusCode != http.StatusOK {
		t.Errorf("the page: %d", got.Response.StatusCode)
	}
}

func TestDatabaseUnavailable(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	link := b.Sign(b.SignUp("jane@example.org"))
	b.Variables["DATABASE_URL"] = "postgres://app:password@127.0.0.1:1/newsletter"
	api := b.Open(open).HTTP
	for _, sample := range []string{"show", "bare"} {
		got := functiontest.Serve(t, api, functiontest.SampleHTTP(t, "confirm", sample, link))
		if got.Response.StatusCode != http.StatusServiceUnavailable || got.Response.Headers["Retry-After"] == "" || got.Err == nil {
			t.Errorf("%s: %d %v %v", sample, got.Response.StatusCode, got.Response.Headers, got.Err)
		}
	}
	if got := functiontest.Serve(t, api, functiontest.SampleHTTP(t, "confirm", "token-malformed", link)); got.Response.StatusCode != http.StatusNotFound {
		t.Errorf("a broken link: %d", got.Response.StatusCode)
	}
}

// press returns a sample event that posts a form to a link in a browser.
func press(t *testing.T, link, language, body string) events.APIGatewayV2HTTPRequest {
	t.Helper()
	event := functiontest.SampleHTTP(t, "confirm", "button", link)
	event.Body, event.IsBase64Encoded, event.Headers["accept-language"] = body, false, language
	return event
}

// page returns a sample event that opens a link in a browser.
func page(t *testing.T, link, language string) events.APIGatewayV2HTTPRequest {
	t.Helper()
	event := functiontest.SampleHTTP(t, "confirm", "show", link)
	event.Headers["accept-language"] = language
	return event
}

func expectPage(t *testing.T, got httpapi.Result, status int, parts ...string) {
	t.Helper()
	if got.Response.StatusCode != status || got.Err != nil {
		t.Errorf("%d %v, want %d", got.Response.StatusCode, got.Err, status)
	}
	for _, part := range parts {
		if !strings.Contains(got.Response.Body, part) {
			t.Errorf("the page lacks %q: %s", part, got.Response.Body)
		}
	}
}

func TestAnExpiredLinkHasAButtonForANewOne(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	claims := b.SignUp("jane@example.org")
	claims.Expires = time.Date(2026, 1, 30, 0, 0, 0, 0, time.UTC) // a day before the samples
	link, api := b.Sign(claims), b.Open(open).HTTP
	before := b.CountRows()
	for language, parts := range map[string][]string{
		"en": {`<html lang="en">`, "This link has expired", `name="action" value="renew"`, "Send me a new link"},
		"de": {`<html lang="de">`, "Dieser Link ist abgelaufen", `name="action" value="renew"`, "Neuen Link zusenden"},
		"fr": {`<html lang="fr">`, "Ce lien a expiré", `name="action" value="renew"`, "M’envoyer un nouveau lien"},
	} {
		expectPage(t, functiontest.Serve(t, api, page(t, link, language)), http.StatusGone, parts...)
		expectPage(t, functiontest.Serve(t, api, press(t, link, language, "")), http.StatusGone, parts...)
		expectPage(t, functiontest.Serve(t, api, press(t, link, language, "action=decline")), http.StatusGone, parts...)
	}
	expectPage(t, functiontest.Serve(t, api, functiontest.SampleHTTP(t, "confirm", "bare", link)), http.StatusGone, "problem:link-ended", "action=renew")
	b.ExpectRows(before)

	first := functiontest.Serve(t, api, press(t, link, "en", "action=renew"))
	expectPage(t, first, http.StatusAccepted, "We are sending a new link")
	again := functiontest.Serve(t, api, press(t, link, "en", "action=renew"))
	if again.Response.StatusCode != http.StatusAccepted || again.Response.Body != first.Response.Body {
		t.Errorf("the second press: %d %s", again.Response.StatusCode, again.Response.Body)
	}
	b.ExpectState("jane@example.org pending", requested+", requested:link_queued, requested:link_over_budget", "email.confirm, email.renewed_confirm")

	claims.Expires = claims.Expires.Add(-token.RenewalPeriod)
	want := functiontest.Serve(t, api, press(t, "no-token", "en", "action=renew"))
	got := functiontest.Serve(t, api, press(t, b.Sign(claims), "en", "action=renew"))
	if got.Response.StatusCode != http.StatusNotFound || got.Response.Body != want.Response.Body {
		t.Errorf("35 days later: %d %s", got.Response.StatusCode, got.Response.Body)
	}
}

func TestADeclineCanBeTakenBack(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	claims := b.SignUp("jane@example.org")
	api := b.Open(open).HTTP
	functiontest.Serve(t, api, functiontest.SampleHTTP(t, "confirm", "decline", b.Sign(claims)))
	expired := claims
	expired.Expires = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) // a month before the samples
	before := b.CountRows()
	for _, link := range []string{b.Sign(claims), b.Sign(expired)} {
		for language, parts := range map[string][]string{
			"en": {"wasn&#39;t you", `name="action" value="sign-up"`, "I do want to sign up"},
			"de": {"dass Sie das nicht waren", `name="action" value="sign-up"`, "Ich möchte mich doch anmelden"},
			"fr": {"ce n’était pas vous", `name="action" value="sign-up"`, "Je veux bien m’inscrire"},
		} {
			expectPage(t, functiontest.Serve(t, api, page(t, link, language)), http.StatusGone, parts...)
		}
	}
	expectPage(t, functiontest.Serve(t, api, press(t, b.Sign(claims), "en", "agree=yes")), http.StatusGone, "I do want to sign up")
	expectPage(t, functiontest.Serve(t, api, functiontest.SampleHTTP(t, "confirm", "bare", b.Sign(claims))), http.StatusGone, "action=sign-up")
	b.ExpectRows(before)

	got := functiontest.Serve(t, api, press(t, b.Sign(expired), "en", "action=sign-up"))
	expectPage(t, got, http.StatusOK, "You can sign up again", `action="subscribe"`, `name="ref" value="declined-link"`, `type="email"`)
	b.ExpectState("", requested+", declined:declined, removed:mute_ended", "email.confirm, change, change")
	b.SignUp("jane@example.org")
}

// TestOnlyADeclinedLinkEndsAMute also when it is used like one.
func TestOnlyADeclinedLinkEndsAMute(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	claims := b.SignUp("jane@example.org")
	api := b.Open(open).HTTP
	want := functiontest.Serve(t, api, press(t, "no-token", "en", "action=sign-up"))
	got := functiontest.Serve(t, api, press(t, b.Sign(claims), "en", "action=sign-up"))
	if got.Response.StatusCode != http.StatusNotFound || got.Response.Body != want.Response.Body {
		t.Errorf("%d %s", got.Response.StatusCode, got.Response.Body)
	}
	b.ExpectState("jane@example.org pending", requested, "email.confirm")
}

// TestFormsAreShownAgainInEveryLanguage with what is missing.
func TestFormsAreShownAgainInEveryLanguage(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	link, api := b.Sign(b.SignUp("jane@example.org")), b.Open(open).HTTP
	before := b.CountRows()
	for language, want := range map[string][2]string{
		"en": {"tick the box “Yes, I want to receive The Jane Letter by email”", "Your email address: please enter"},
		"de": {"das Häkchen bei „Ja, ich möchte The Jane Letter per E-Mail erhalten“", "Ihre E-Mail-Adresse: Bitte geben Sie"},
		"fr": {"cochez la case « Oui, je veux recevoir The Jane Letter par", "veuillez saisir l’adresse à laquelle"},
	} {
		for _, body := range []string{"", "agree=", "agree=no", "agree=on", "email=jane%40example.org"} {
			expectPage(t, functiontest.Serve(t, api, press(t, link, language, body)), http.StatusUnprocessableEntity, want[0], `name="agree"`)
		}
		for _, entered := range []string{"", "jane", "bob%40example.org", "jane%2Bx%40example.org"} {
			got := functiontest.Serve(t, api, press(t, link, language, "action=decline&email="+entered))
			expectPage(t, got, http.StatusUnprocessableEntity, want[1], `name="action" value="decline"`)
		}
	}
	b.ExpectRows(before)
}

// TestProgramsNameTheAddressToDecline as people do.
func TestProgramsNameTheAddressToDecline(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	event := functiontest.SampleHTTP(t, "confirm", "bare", b.Sign(b.SignUp("jane@example.org")))
	api := b.Open(open).HTTP
	for _, body := range []string{"action=decline", "action=decline&email=jane", "action=decline&email=bob%40example.org"} {
		event.Body, event.IsBase64Encoded = body, false
		got := functiontest.Serve(t, api, event)
		if got.Response.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(got.Response.Body, `"pointer":"#/email"`) {
			t.Errorf("%s: %d %s", body, got.Response.StatusCode, got.Response.Body)
		}
	}
	b.ExpectState("jane@example.org pending", requested, "email.confirm")
}
