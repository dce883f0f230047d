package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/internal/local/devstack"
	"newsletter/shared/httpapi"
)

// withCaptcha enables the CAPTCHA with a fake of its provider.
func withCaptcha(t *testing.T, b *functiontest.Fixture) *devstack.Captcha {
	t.Helper()
	fake := devstack.NewCaptcha(time.Now)
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	b.Variables["CAPTCHA_PROVIDER"], b.Variables["CAPTCHA_SECRET"] = "turnstile", devstack.CaptchaSecret
	b.Variables["CAPTCHA_HOSTNAMES"], b.Variables["FAKES_URL"] = "www.example.org", server.URL
	return fake
}

func solve(fake *devstack.Captcha) string {
	return fake.Solve(devstack.SolvedChallenge{Hostname: "www.example.org", Action: "sign-up"})
}

func signUpJSON(email, token string) string {
	return `{"email":"` + email + `","captcha_token":"` + token + `"}`
}

func serveJSON(t *testing.T, api *httpapi.API, email, token string) httpapi.Result {
	t.Helper()
	return functiontest.Serve(t, api, post(t, signUpJSON(email, token)))
}

func TestCaptchaInEveryState(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Activate("active@example.org")
	b.SignUp("pending@example.org")
	fake := withCaptcha(t, b)
	api := b.Open(open).HTTP
	before := b.CountRows()
	for _, email := range []string{"active@example.org", "pending@example.org", "nobody@example.org"} {
		const pointer = `"pointer":"#/captcha_token"`
		functiontest.ExpectResponse(t, "no response", functiontest.Serve(t, api, post(t, `{"email":"`+email+`"}`)), 422, pointer)
		functiontest.ExpectResponse(t, "a wrong response", serveJSON(t, api, email, "made.up"), 422, pointer)
		elsewhere := fake.Solve(devstack.SolvedChallenge{Hostname: "evil.example.net", Action: "sign-up"})
		functiontest.ExpectResponse(t, "solved elsewhere", serveJSON(t, api, email, elsewhere), 422, pointer)
	}
	b.ExpectRows(before)
	for i, email := range []string{"active@example.org", "pending@example.org", "nobody@example.org"} {
		token := solve(fake)
		functiontest.ExpectResponse(t, email, serveJSON(t, api, email, token), 202, `"accepted"`)
		functiontest.ExpectResponse(t, email+", the same response again", serveJSON(t, api, email, token), 422, "captcha_token")
		if calls := len(fake.Requests()); calls != 6+2*(i+1) {
			t.Errorf("%s: the provider was called %d times", email, calls)
		}
	}
	if problems := fake.Problems(); len(problems) > 0 {
		t.Error(problems)
	}
}

func TestCaptchaFieldNames(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	fake := withCaptcha(t, b)
	api := b.Open(open).HTTP
	for _, name := range []string{"captcha_token", "cf-turnstile-response", "h-captcha-response"} {
		event := functiontest.SampleHTTP(t, "subscribe", "form", "")
		event.IsBase64Encoded = false
		event.Body = url.Values{"email": {"jane@example.org"}, name: {solve(fake)}}.Encode()
		functiontest.ExpectResponse(t, name, functiontest.Serve(t, api, event), 202, "<html")
		event.Body = url.Values{"email": {"jane@example.org"}, name: {""}}.Encode()
		functiontest.ExpectResponse(t, name+", empty", functiontest.Serve(t, api, event), 422, "CAPTCHA")
	}
}

// TestVerifierUnavailable checks that stricter limits apply and that a disposable address is held.
func TestVerifierUnavailable(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	fake := withCaptcha(t, b)
	failure := devstack.CaptchaAnswer{Status: http.StatusBadGateway}
	fake.Fail(failure, failure, failure, failure, failure, failure)
	api := b.Open(open).HTTP
	functiontest.ExpectResponse(t, "a person", serveJSON(t, api, "jane@example.org", "token"), 202, `"accepted"`)
	held := serveJSON(t, api, "joe@yopmail.com", "token")
	functiontest.ExpectResponse(t, "a disposable address", held, 202, `"accepted"`)
	for i := range 3 { // the stricter limit is five
		functiontest.ExpectResponse(t, "more people", serveJSON(t, api, fmt.Sprintf("jack%d@example.org", i), "token"), 202, `"accepted"`)
	}
	functiontest.ExpectResponse(t, "above the stricter limit", serveJSON(t, api, "jim@example.org", "token"), 429, "quota-exceeded")
	if n := b.Strings(`select count(*)::text from subscribers`)[0]; n != "5" {
		t.Errorf("%s subscribers", n)
	}
	got := strings.Join(b.Strings(`select data->>'reasons' from ledger_events order by id limit 2`), " ")
	if got != `["captcha_unavailable"] ["disposable", "captcha_unavailable"]` {
		t.Errorf("reasons: %s", got)
	}
	got = strings.Join(b.Strings(`select state || ':' || coalesce(hold_reason, '') from outbox order by id limit 2`), " ")
	if got != "ready: held:disposable,captcha_unavailable" {
		t.Errorf("outbox: %s", got)
	}
}

func TestDomains(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Activate("active@xn--bcher-kva.de")
	b.Variables["SIGNUP_BLOCKED_DOMAINS"], b.Variables["SIGNUP_DISPOSABLE_DOMAINS"] = "bücher.de", "block"
	api := b.Open(open).HTTP
	before := b.CountRows()
	var first string
	for _, email := range []string{"active@bücher.de", "nobody@bücher.de", "nobody@mail.xn--bcher-kva.de"} {
		got := functiontest.Serve(t, api, post(t, `{"email":"`+email+`"}`))
		functiontest.ExpectResponse(t, email, got, 422, `"pointer":"#/email"`)
		if first == "" {
			first = got.Response.Body
		}
		if got.Response.Body != first {
			t.Errorf("%s: %s, others %s", email, got.Response.Body, first)
		}
	}
	functiontest.ExpectResponse(t, "a disposable address", functiontest.Serve(t, api, post(t, `{"email":"joe@a.yopmail.com"}`)), 422, "Disposable")
	b.ExpectRows(before)

	b.Variables["SIGNUP_DISPOSABLE_DOMAINS"] = "hold"
	functiontest.ExpectResponse(t, "held", functiontest.Serve(t, b.Open(open).HTTP, post(t, `{"email":"joe@yopmail.com"}`)), 202, `"accepted"`)
	got := b.Strings(`select kind || ':' || hold_reason from outbox where state = 'held'`)
	if strings.Join(got, " ") != "email.confirm:disposable" {
		t.Errorf("held: %v", got)
	}
}

// TestHeldSignUpMustBeConfirmed checks that this is so with single opt-in.
func TestHeldSignUpMustBeConfirmed(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Variables["SIGNUP_DOUBLE_OPT_IN"], b.Variables["SIGNUP_DISPOSABLE_DOMAINS"] = "false", "hold"
	api := b.Open(open).HTTP
	for _, email := range []string{"joe@yopmail.com", "jane@example.org"} {
		functiontest.ExpectResponse(t, email, functiontest.Serve(t, api, post(t, `{"email":"`+email+`"}`)), 202, `"accepted"`)
	}
	b.ExpectState("jane@example.org active, joe@yopmail.com pending", "requested:confirmation_queued, requested:activated", "email.confirm held: disposable, change")
}
