package admission

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"time"

	"newsletter/shared/ratelimit"
)

// fakeVerifier returns a fixed result and records the responses that it verified.
type fakeVerifier struct {
	passed, known bool
	calls         []string
}

func (f *fakeVerifier) Verify(_ context.Context, response string) (passed, known bool) {
	f.calls = append(f.calls, response)
	return f.passed, f.known
}

var signUp = Request{Client: netip.MustParseAddr("192.0.2.1"), Domain: "example.org", Captcha: "token"}

func newSignUps(t *testing.T, verifier Verifier, variables map[string]string) *Admission {
	t.Helper()
	now := start
	return newAdmission(t, nil, &now, Subscribe, variables["LIMITS_SUBSCRIBE"]).SignUps(signUpConfig(t, variables), verifier)
}

func expectDecision(t *testing.T, what string, d Decision, want Outcome, reasons ...string) {
	t.Helper()
	if d.Outcome != want || !slices.Equal(d.Reasons, reasons) {
		t.Errorf("%s: %s because %v, want %s because %v", what, d.Outcome, d.Reasons, want, reasons)
	}
}

func TestSignalsOfSignUps(t *testing.T) {
	t.Parallel()
	variables := map[string]string{"SIGNUP_BLOCKED_DOMAINS": "bad.example.net", "SIGNUP_ALLOWED_DOMAINS": "mailinator.com", "LIMITS_SUBSCRIBE": "100/10m@host"}
	change := func(f func(*Request)) Request { r := signUp; f(&r); return r }
	for name, c := range map[string]struct {
		verifier *fakeVerifier
		request  Request
		want     Outcome
		reasons  []string
	}{
		"a person":                      {nil, signUp, Accept, nil},
		"a blocked domain":              {nil, change(func(r *Request) { r.Domain = "mx.bad.example.net" }), Refuse, []string{ReasonDomainBlocked}},
		"a disposable domain":           {nil, change(func(r *Request) { r.Domain = "yopmail.com" }), Accept, []string{ReasonDisposable}},
		"an excused disposable domain":  {nil, change(func(r *Request) { r.Domain = "mailinator.com" }), Accept, nil},
		"the hidden field":              {nil, change(func(r *Request) { r.Honeypot = "x" }), Hold, []string{reasonHoneypot}},
		"too fast":                      {nil, change(func(r *Request) { r.StartedAt = start }), Accept, []string{reasonTooFast}},
		"solved":                        {&fakeVerifier{true, true, nil}, signUp, Accept, nil},
		"not solved":                    {&fakeVerifier{false, true, nil}, signUp, Refuse, []string{ReasonCaptchaFailed}},
		"the verifier is unavailable":   {&fakeVerifier{false, false, nil}, signUp, Accept, []string{reasonCaptchaUnavailable}},
		"lost, and a disposable domain": {&fakeVerifier{false, false, nil}, change(func(r *Request) { r.Domain = "yopmail.com" }), Hold, []string{ReasonDisposable, reasonCaptchaUnavailable}},
		"a bot that solves":             {&fakeVerifier{true, true, nil}, change(func(r *Request) { r.Honeypot = "x" }), Hold, []string{reasonHoneypot}},
		"no answer":                     {&fakeVerifier{true, true, nil}, change(func(r *Request) { r.Captcha = "" }), Refuse, []string{ReasonCaptchaMissing}},
		"a blocked domain that solves":  {&fakeVerifier{true, true, nil}, change(func(r *Request) { r.Domain = "bad.example.net" }), Refuse, []string{ReasonDomainBlocked}},
	} {
		var verifier Verifier
		if c.verifier != nil {
			verifier = c.verifier
		}
		v := newSignUps(t, verifier, variables).Admit(t.Context(), c.request)
		expectDecision(t, name, v, c.want, c.reasons...)
		early := slices.Contains(c.reasons, ReasonDomainBlocked) || slices.Contains(c.reasons, ReasonCaptchaMissing)
		if early != (v.Limit.States == nil) {
			t.Errorf("%s: counted under %v", name, v.Limit.States)
		}
		if c.verifier != nil && early == (len(c.verifier.calls) == 1) {
			t.Errorf("%s: the verifier is called with %v", name, c.verifier.calls)
		}
	}
}

// TestLimiterProtectsVerifier checks that the limiter bounds the calls of the verifier for a network.
func TestLimiterProtectsVerifier(t *testing.T) {
	t.Parallel()
	verifier := &fakeVerifier{false, true, nil}
	s := newSignUps(t, verifier, map[string]string{"LIMITS_SUBSCRIBE": "4/10m@host"}) // 2 without Redis
	for i := range 4 {
		v := s.Admit(t.Context(), signUp)
		want := []string{ReasonCaptchaFailed}
		if i >= 2 {
			want = []string{ReasonRateLimited}
		}
		expectDecision(t, "attempt", v, Refuse, want...)
	}
	if len(verifier.calls) != 2 {
		t.Errorf("called %d times", len(verifier.calls))
	}
}

func TestStricterLimitsWithoutVerifier(t *testing.T) {
	t.Parallel()
	verifier := &fakeVerifier{false, false, nil}
	s := newSignUps(t, verifier, map[string]string{"LIMITS_SUBSCRIBE": "20/10m@host"})
	s.signUps.Unverified = ratelimit.Policies{{Limit: 4, Window: 10 * time.Minute, Scope: ratelimit.Host}}
	var last Decision
	for range 2 {
		last = s.Admit(t.Context(), signUp)
		expectDecision(t, "below the stricter limit", last, Accept, reasonCaptchaUnavailable)
		if limit := last.Limit.States[0].Policy.Limit; limit != 4 {
			t.Errorf("the response has a limit of %d", limit)
		}
	}
	expectDecision(t, "above it", s.Admit(t.Context(), signUp), Refuse, reasonCaptchaUnavailable, ReasonRateLimited)
	s.Refund(t.Context(), last)
	expectDecision(t, "after a refund", s.Admit(t.Context(), signUp), Accept, reasonCaptchaUnavailable)

	verifier.passed, verifier.known = true, true // the refused request is not counted under the ordinary limits
	for i := range 10 {
		v := s.Admit(t.Context(), signUp)
		if want := []Outcome{Accept, Refuse}[i/8]; v.Outcome != want {
			t.Errorf("the verifier is back, attempt %d: %s, want %s", i, v.Outcome, want)
		}
	}
}

func TestDefaultUnverifiedLimits(t *testing.T) {
	t.Parallel()
	cfg := signUpConfig(t, nil)
	ordinary := newSignUps(t, nil, nil).policies
	for _, p := range cfg.Unverified {
		i := slices.IndexFunc(ordinary, func(o ratelimit.Policy) bool { return o.Scope == p.Scope && o.Window == p.Window })
		if i < 0 || p.Limit >= ordinary[i].Limit || p.Limit < 4 || p.Window > time.Hour {
			t.Errorf("%s beside %s", p, ordinary)
		}
	}
}
