package admission

import (
	"context"
	"net/netip"
	"slices"
	"testing"
	"time"

	"newsletter/shared/ratelimit"
)

// judge is a Verifier that says what it is told to.
type judge struct {
	passed, known bool
	asked         []string
}

func (j *judge) Verify(_ context.Context, answer string, _ netip.Addr) (passed, known bool) {
	j.asked = append(j.asked, answer)
	return j.passed, j.known
}

var person = SignUp{Client: netip.MustParseAddr("192.0.2.1"), Domain: "example.org", Captcha: "token"}

func newSignUps(t *testing.T, verifier Verifier, variables map[string]string) *SignUps {
	t.Helper()
	now := start
	return newGate(t, nil, &now, Subscribe, variables["LIMITS_SUBSCRIBE"]).SignUps(signUpConfig(t, variables), verifier)
}

func expectVerdict(t *testing.T, what string, v Verdict, want Outcome, reasons ...string) {
	t.Helper()
	if v.Outcome != want || !slices.Equal(v.Reasons, reasons) {
		t.Errorf("%s: %s because %v, want %s because %v", what, v.Outcome, v.Reasons, want, reasons)
	}
}

func TestSignalsOfSignUps(t *testing.T) {
	t.Parallel()
	variables := map[string]string{"SIGNUP_BLOCKED_DOMAINS": "bad.example.net", "SIGNUP_ALLOWED_DOMAINS": "mailinator.com", "LIMITS_SUBSCRIBE": "100/10m@host"}
	change := func(f func(*SignUp)) SignUp { s := person; f(&s); return s }
	for name, c := range map[string]struct {
		verifier *judge
		signUp   SignUp
		want     Outcome
		reasons  []string
	}{
		"a person":                      {nil, person, Accept, nil},
		"a blocked domain":              {nil, change(func(s *SignUp) { s.Domain = "mx.bad.example.net" }), Refuse, []string{ReasonDomainBlocked}},
		"a disposable domain":           {nil, change(func(s *SignUp) { s.Domain = "yopmail.com" }), Accept, []string{ReasonDisposable}},
		"an excused disposable domain":  {nil, change(func(s *SignUp) { s.Domain = "mailinator.com" }), Accept, nil},
		"the hidden field":              {nil, change(func(s *SignUp) { s.Honeypot = "x" }), Drop, []string{ReasonHoneypot}},
		"too fast":                      {nil, change(func(s *SignUp) { s.StartedAt = start }), Drop, []string{ReasonTooFast}},
		"solved":                        {&judge{true, true, nil}, person, Accept, nil},
		"not solved":                    {&judge{false, true, nil}, person, Refuse, []string{ReasonCaptchaFailed}},
		"the verifier is lost":          {&judge{false, false, nil}, person, Accept, []string{ReasonCaptchaUnavailable}},
		"lost, and a disposable domain": {&judge{false, false, nil}, change(func(s *SignUp) { s.Domain = "yopmail.com" }), Hold, []string{ReasonDisposable, ReasonCaptchaUnavailable}},
		"a bot that solves":             {&judge{true, true, nil}, change(func(s *SignUp) { s.Honeypot = "x" }), Drop, []string{ReasonHoneypot}},
		"no answer":                     {&judge{true, true, nil}, change(func(s *SignUp) { s.Captcha = "" }), Refuse, []string{ReasonCaptchaMissing}},
		"a blocked domain that solves":  {&judge{true, true, nil}, change(func(s *SignUp) { s.Domain = "bad.example.net" }), Refuse, []string{ReasonDomainBlocked}},
	} {
		var verifier Verifier
		if c.verifier != nil {
			verifier = c.verifier
		}
		v := newSignUps(t, verifier, variables).Admit(t.Context(), c.signUp)
		expectVerdict(t, name, v, c.want, c.reasons...)
		early := slices.Contains(c.reasons, ReasonDomainBlocked) || slices.Contains(c.reasons, ReasonCaptchaMissing)
		if early != (v.Limit.States == nil) {
			t.Errorf("%s: counted under %v", name, v.Limit.States)
		}
		if c.verifier != nil && early == (len(c.verifier.asked) == 1) {
			t.Errorf("%s: the verifier is asked %v", name, c.verifier.asked)
		}
	}
}

// TestLimiterProtectsVerifier, which bounds how often it is asked for a network.
func TestLimiterProtectsVerifier(t *testing.T) {
	t.Parallel()
	verifier := &judge{false, true, nil}
	s := newSignUps(t, verifier, map[string]string{"LIMITS_SUBSCRIBE": "4/10m@host"}) // 2 without Redis
	for i := range 4 {
		v := s.Admit(t.Context(), person)
		want := []string{ReasonCaptchaFailed}
		if i >= 2 {
			want = []string{ReasonRateLimited}
		}
		expectVerdict(t, "attempt", v, Refuse, want...)
	}
	if len(verifier.asked) != 2 {
		t.Errorf("asked %d times", len(verifier.asked))
	}
}

func TestStricterLimitsWithoutVerifier(t *testing.T) {
	t.Parallel()
	verifier := &judge{false, false, nil}
	s := newSignUps(t, verifier, map[string]string{"LIMITS_SUBSCRIBE": "20/10m@host"})
	s.config.Unverified = ratelimit.Policies{{Limit: 4, Window: 10 * time.Minute, Scope: ratelimit.Host}}
	var last Verdict
	for range 2 {
		last = s.Admit(t.Context(), person)
		expectVerdict(t, "below the stricter limit", last, Accept, ReasonCaptchaUnavailable)
		if limit := last.Limit.States[0].Policy.Limit; limit != 4 {
			t.Errorf("the visitor is told a limit of %d", limit)
		}
	}
	expectVerdict(t, "above it", s.Admit(t.Context(), person), Refuse, ReasonCaptchaUnavailable, ReasonRateLimited)
	s.RefundUnlessCommitted(t.Context(), &last)
	expectVerdict(t, "after a refund", s.Admit(t.Context(), person), Accept, ReasonCaptchaUnavailable)

	verifier.passed, verifier.known = true, true // what was refused above is not counted by the ordinary limit
	for i := range 10 {
		v := s.Admit(t.Context(), person)
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
