package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/shared/httpapi"
	"newsletter/shared/token"
)

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
