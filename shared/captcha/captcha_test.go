package captcha

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"newsletter/internal/local/devstack"
	"newsletter/shared/config"
)

// fixture is a Verifier before the fake of a provider, with a clock of its own.
type fixture struct {
	*Verifier
	fake *devstack.Captcha
	now  time.Time
}

func newFixture(t *testing.T, variables map[string]string) *fixture {
	t.Helper()
	r := &fixture{now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	r.fake = devstack.NewCaptcha(func() time.Time { return r.now })
	server := httptest.NewServer(r.fake)
	t.Cleanup(server.Close)
	all := map[string]string{
		"CAPTCHA_PROVIDER": "turnstile", "CAPTCHA_SECRET": devstack.CaptchaSecret, "CAPTCHA_HOSTNAMES": "www.example.org, example.org",
	}
	for name, value := range variables {
		all[name] = value
	}
	env := config.FromMap(all)
	cfg := config.Read[Config](env)
	if err := env.Err(); err != nil {
		t.Fatal(err)
	}
	cfg.URL = server.URL + "/siteverify"
	r.Verifier = New(cfg, func() time.Time { return r.now })
	return r
}

func (r *fixture) expect(t *testing.T, what, answer string, passed, known bool) {
	t.Helper()
	if gotPassed, gotKnown := r.Verify(t.Context(), answer); gotPassed != passed || gotKnown != known {
		t.Errorf("%s: passed %v, known %v", what, gotPassed, gotKnown)
	}
}

func TestATokenIsValidOnceAndForTheSite(t *testing.T) {
	t.Parallel()
	r := newFixture(t, nil)
	good := r.fake.Solve(devstack.SolvedChallenge{Hostname: "WWW.example.org", Action: "sign-up"})
	r.expect(t, "solved here", good, true, true)
	r.expect(t, "a second time", good, false, true)
	r.expect(t, "for another page", r.fake.Solve(devstack.SolvedChallenge{Hostname: "evil.example.net", Action: "sign-up"}), false, true)
	r.expect(t, "for a subdomain", r.fake.Solve(devstack.SolvedChallenge{Hostname: "a.example.org", Action: "sign-up"}), false, true)
	r.expect(t, "for no page", r.fake.Solve(devstack.SolvedChallenge{Action: "sign-up"}), false, true)
	r.expect(t, "made up", "0.made-up", false, true)
	old := r.fake.Solve(devstack.SolvedChallenge{Hostname: "example.org", Action: "sign-up"})
	r.now = r.now.Add(5*time.Minute + time.Second)
	r.expect(t, "too old", old, false, true)
	for _, asked := range r.fake.Requests() {
		if _, told := asked["remoteip"]; told || asked["secret"] != devstack.CaptchaSecret {
			t.Errorf("asked with %v", asked)
		}
	}
	if problems := r.fake.Problems(); len(problems) > 0 {
		t.Error(problems)
	}
}

func TestOnlyTheTokenIsSent(t *testing.T) {
	t.Parallel()
	r := newFixture(t, nil)
	for _, answer := range []string{"", " ", "a b", "a&secret=x", "<script>", "ä", "a\x00", "' or 1=1", "%00"} {
		r.expect(t, answer, answer, false, true)
	}
	if asked := r.fake.Requests(); len(asked) > 0 {
		t.Errorf("passed on: %v", asked)
	}
	r.expect(t, "hCaptcha's form", "P1_eyJ0eXAi.OiJKV1Qi-LCJhbGc_x:1", false, true)
	if asked := r.fake.Requests(); len(asked) != 1 {
		t.Errorf("asked %d times", len(asked))
	}
}

// None of these rejects a visitor, and all of them are caused by us or by the provider.
func TestFailuresRejectNoVisitor(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer devstack.CaptchaAnswer
		known  bool
	}{
		"server error":        {devstack.CaptchaAnswer{Status: 500, Body: `{"success":false,"error-codes":["internal-error"]}`}, false},
		"too many":            {devstack.CaptchaAnswer{Status: 429, Body: `{"success":false}`}, false},
		"success at 503":      {devstack.CaptchaAnswer{Status: 503, Body: `{"success":true,"hostname":"example.org"}`}, false},
		"a page":              {devstack.CaptchaAnswer{Status: 200, Body: "<html>"}, false},
		"nothing":             {devstack.CaptchaAnswer{Status: 200}, false},
		"null":                {devstack.CaptchaAnswer{Status: 200, Body: "null"}, false},
		"no verdict":          {devstack.CaptchaAnswer{Status: 200, Body: `{"hostname":"example.org"}`}, false},
		"a verdict of text":   {devstack.CaptchaAnswer{Status: 200, Body: `{"success":"true"}`}, false},
		"too late":            {devstack.CaptchaAnswer{Status: 200, Body: `{"success":true}`, Delay: 1500 * time.Millisecond}, false},
		"elsewhere":           {devstack.CaptchaAnswer{Status: 302, Body: ""}, false},
		"our secret is wrong": {devstack.CaptchaAnswer{Status: 200, Body: `{"success":false,"error-codes":["invalid-input-secret"]}`}, false},
		"another site's key":  {devstack.CaptchaAnswer{Status: 200, Body: `{"success":false,"error-codes":["sitekey-secret-mismatch"]}`}, true},
		"malformed":           {devstack.CaptchaAnswer{Status: 400, Body: `{"success":false,"error-codes":["bad-request"]}`}, true},
		"seen already":        {devstack.CaptchaAnswer{Status: 200, Body: `{"success":false,"error-codes":["invalid-or-already-seen-response"]}`}, true},
		"no code":             {devstack.CaptchaAnswer{Status: 200, Body: `{"success":false}`}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newFixture(t, nil)
			r.fake.Fail(c.answer)
			r.expect(t, name, "token", false, c.known)
		})
	}
}

func TestAFailedProviderIsNotCalled(t *testing.T) {
	t.Parallel()
	r := newFixture(t, nil)
	broken := devstack.CaptchaAnswer{Status: http.StatusBadGateway}
	r.fake.Fail(broken, broken, broken, broken)
	for range 6 {
		r.expect(t, "while it is lost", "token", false, false)
	}
	if n := len(r.fake.Requests()); n != breakerFailures {
		t.Errorf("asked %d times", n)
	}
	r.now = r.now.Add(breakerPause)
	for range 3 {
		r.expect(t, "a probe that fails", "token", false, false)
	}
	if n := len(r.fake.Requests()); n != breakerFailures+1 {
		t.Errorf("asked %d times", n)
	}
	r.now = r.now.Add(breakerPause)
	r.expect(t, "it is back", r.fake.Solve(devstack.SolvedChallenge{Hostname: "example.org"}), true, true)
	r.expect(t, "and asked as before", r.fake.Solve(devstack.SolvedChallenge{Hostname: "example.org"}), true, true)
}

func TestConfiguration(t *testing.T) {
	t.Parallel()
	good := map[string]string{"CAPTCHA_PROVIDER": "turnstile", "CAPTCHA_SECRET": "0xsecret", "CAPTCHA_HOSTNAMES": "example.org"}
	for name, c := range map[string]struct {
		change map[string]string
		wrong  string
	}{
		"off":              {map[string]string{"CAPTCHA_PROVIDER": "", "CAPTCHA_SECRET": "", "CAPTCHA_HOSTNAMES": ""}, ""},
		"on":               {nil, ""},
		"hCaptcha":         {map[string]string{"CAPTCHA_PROVIDER": "hcaptcha"}, ""},
		"another provider": {map[string]string{"CAPTCHA_PROVIDER": "recaptcha"}, "CAPTCHA_PROVIDER"},
		"no secret":        {map[string]string{"CAPTCHA_SECRET": ""}, "CAPTCHA_SECRET"},
		"no host":          {map[string]string{"CAPTCHA_HOSTNAMES": " , "}, "CAPTCHA_HOSTNAMES"},
		"an origin":        {map[string]string{"CAPTCHA_HOSTNAMES": "https://example.org"}, "CAPTCHA_HOSTNAMES"},
	} {
		all := map[string]string{}
		for _, values := range []map[string]string{good, c.change} {
			for variable, value := range values {
				all[variable] = value
			}
		}
		env := config.FromMap(all)
		cfg := config.Read[Config](env)
		err := env.Err()
		if (err != nil) != (c.wrong != "") || err != nil && (!strings.Contains(err.Error(), c.wrong) || strings.Contains(err.Error(), "0xsecret")) {
			t.Errorf("%s: %v", name, err)
		}
		if on := New(cfg, time.Now) != nil; on != (all["CAPTCHA_PROVIDER"] != "") {
			t.Errorf("%s: on is %v", name, on)
		}
	}
}
