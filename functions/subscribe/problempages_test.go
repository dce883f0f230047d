package main

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"golang.org/x/net/html"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/shared/httpapi"
)

// fromBrowser returns a form as a browser sends it.
func fromBrowser(t *testing.T, language string, fields url.Values) events.APIGatewayV2HTTPRequest {
	t.Helper()
	event := functiontest.SampleHTTP(t, "subscribe", "form", "")
	event.Headers["accept"], event.Headers["accept-language"] = "text/html,application/xhtml+xml", language
	event.Body, event.IsBase64Encoded = base64.StdEncoding.EncodeToString([]byte(fields.Encode())), true
	return event
}

// expectPage checks a page's status and language, and that it has no English sentence of a problem document.
func expectPage(t *testing.T, got httpapi.Result, status int, language string, parts ...string) {
	t.Helper()
	if got.Response.StatusCode != status || got.Response.Headers["Content-Language"] != language || !strings.Contains(got.Response.Body, `<html lang="`+language+`">`) {
		t.Errorf("%d in %s, want %d in %s", got.Response.StatusCode, got.Response.Headers["Content-Language"], status, language)
	}
	for _, part := range parts {
		if !strings.Contains(got.Response.Body, part) {
			t.Errorf("the page lacks %q: %s", part, got.Response.Body[strings.Index(got.Response.Body, "<body>"):])
		}
	}
	for _, english := range []string{"request", "This must", "seconds", "not valid"} {
		if language != "en" && strings.Contains(got.Response.Body, english) {
			t.Errorf("the page has %q", english)
		}
	}
}

// TestPagesOfProblems checks each problem that a visitor can meet in each language.
func TestPagesOfProblems(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Variables["LIMITS_SUBSCRIBE"], b.Variables["SIGNUP_DISPOSABLE_DOMAINS"] = "1/10m@host", "block"
	api := b.Open(open).HTTP
	down := functiontest.New(t)
	down.Variables["DATABASE_URL"] = "postgres://app:password@" + closedPort + "/newsletter"
	lost := down.Open(open).HTTP
	accepted := fromBrowser(t, "en", url.Values{"email": {"first@example.org"}})
	if got := functiontest.Serve(t, api, accepted); got.Response.StatusCode != http.StatusAccepted {
		t.Fatal(got.Response.Body)
	}
	for language, texts := range map[string]struct{ refused, domain, disposable, limited, lost, large, unreadable, nothing, back string }{
		"en": {"check what you entered", "after the @", "disposable", "in about 1", "on our side", "too large", "cannot read", "nothing here", "go back"},
		"de": {"prüfen Sie Ihre Eingabe", "hinter dem @", "Wegwerfadressen", "in etwa 1", "Bei uns ist ein Fehler", "zu groß", "nicht lesen", "Hier gibt es nichts", "zurück"},
		"fr": {"vérifier votre saisie", "suit le @", "jetables", "environ 1", "de notre côté", "trop volumineux", "pas lire", "rien ici", "revenir"},
	} {
		form := `name="email" type="email" value="jane@example.org"`
		expectPage(t, functiontest.Serve(t, api, fromBrowser(t, language, url.Values{"email": {"jane@example"}})), 422, language, texts.refused, texts.domain, `value="jane@example"`)
		expectPage(t, functiontest.Serve(t, api, fromBrowser(t, language, url.Values{"email": {"jane@mailinator.com"}})), 422, language, texts.disposable)
		expectPage(t, functiontest.Serve(t, api, fromBrowser(t, "xx", url.Values{"email": {"jane@example.org"}, "locale": {language + "_XX"}})), 429, language, texts.limited, form)
		expectPage(t, functiontest.Serve(t, lost, fromBrowser(t, language, url.Values{"email": {"jane@example.org"}})), 503, language, texts.lost, form)
		expectPage(t, functiontest.Serve(t, api, fromBrowser(t, language, url.Values{"x": {strings.Repeat("x", 70_000)}})), 413, language, texts.large, texts.back)
		unreadable := fromBrowser(t, language, nil)
		unreadable.Headers["content-type"], unreadable.Body = "multipart/form-data", "eA=="
		expectPage(t, functiontest.Serve(t, api, unreadable), 400, language, texts.unreadable, texts.back)
		reload := fromBrowser(t, language, nil)
		reload.RequestContext.HTTP.Method = http.MethodGet
		expectPage(t, functiontest.Serve(t, api, reload), 405, language, texts.nothing)
	}
}

// TestTheFormOfAProblemKeepsEverything corrects what the page of a problem shows, and sends its form.
func TestTheFormOfAProblemKeepsEverything(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Variables["SIGNUP_SOURCES"] = "spring"
	api := b.Open(open).HTTP
	sent := url.Values{"email": {`"><script>jane@example.org`}, "granted": {""}, "utm_campaign": {"spring"}, "ref": {`"><script>`}, "text_version": {"default-1"}, "locale": {"de"}}
	got := functiontest.Serve(t, api, fromBrowser(t, "fr", sent))
	expectPage(t, got, 422, "de", "Häkchen", "The Jane Letter", `type="checkbox"`)
	if strings.Contains(got.Response.Body, "<script>") {
		t.Error("the page has a script")
	}
	again := fieldsOf(t, got.Response.Body)
	if again.Get("email") != sent.Get("email") || again.Get("ref") != sent.Get("ref") {
		t.Errorf("the form has %v", again)
	}
	again.Set("email", "jane@example.org")
	if got := functiontest.Serve(t, api, fromBrowser(t, "fr", again)); got.Response.StatusCode != http.StatusAccepted {
		t.Fatalf("%d %s", got.Response.StatusCode, got.Response.Body)
	}
	stored := b.Strings(`select concat_ws(' ', e.source->>'utm_campaign', e.data->>'locale', e.data->>'text_version', e.data->>'granted', e.data->>'cleaned') from ledger_events e`)
	if fmt.Sprint(stored) != "[spring de default-1 true]" {
		t.Errorf("recorded %v", stored)
	}
}

// TestNoFormWithACaptcha checks that the page, which cannot show a CAPTCHA, sends the visitor back.
func TestNoFormWithACaptcha(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Variables["CAPTCHA_PROVIDER"], b.Variables["CAPTCHA_SECRET"], b.Variables["CAPTCHA_HOSTNAMES"] = "turnstile", "secret", "www.example.org"
	got := functiontest.Serve(t, b.Open(open).HTTP, fromBrowser(t, "en", url.Values{"email": {"jane@example.org"}}))
	expectPage(t, got, 422, "en", "Please solve the CAPTCHA.", "go back")
	if strings.Contains(got.Response.Body, "<form") {
		t.Errorf("a form: %s", got.Response.Body)
	}
}

// fieldsOf returns the fields of a page's form, with its boxes ticked.
func fieldsOf(t *testing.T, page string) url.Values {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	fields := url.Values{}
	for n := range root.Descendants() {
		attributes := map[string]string{}
		for _, a := range n.Attr {
			attributes[a.Key] = a.Val
		}
		if n.Data == "input" {
			fields.Add(attributes["name"], attributes["value"])
		}
	}
	return fields
}
