package admission

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// sign is one signal by itself, the word of docs/risk.md for it, and what it is to lead to. weak ones count together.
type sign struct {
	words   string
	set     func(*Signals)
	reason  string
	outcome Outcome
	weak    bool
}

func signs() []sign {
	return []sign{
		{"domain on `signup.blocked_domains`", func(s *Signals) { s.Domain = DomainBlocked }, ReasonDomainBlocked, Refuse, false},
		{"throw-away domain, `signup.disposable_domains` `flag`", func(s *Signals) { s.Disposable = DisposableFlag }, ReasonDisposable, Accept, true},
		{"throw-away domain, `signup.disposable_domains` `hold`", func(s *Signals) { s.Disposable = DisposableHold }, ReasonDisposable, Hold, false},
		{"throw-away domain, `signup.disposable_domains` `block`", func(s *Signals) { s.Disposable = DisposableBlock }, ReasonDisposable, Refuse, false},
		{"no CAPTCHA answer was sent", func(s *Signals) { s.Captcha = CaptchaMissing }, ReasonCaptchaMissing, Refuse, false},
		{"the CAPTCHA answer is wrong, old or used", func(s *Signals) { s.Captcha = CaptchaFailed }, ReasonCaptchaFailed, Refuse, false},
		{"the CAPTCHA verifier cannot say", func(s *Signals) { s.Captcha = CaptchaUnavailable }, ReasonCaptchaUnavailable, Accept, true},
		{"the limiter refuses the network", func(s *Signals) { s.Limited = true }, ReasonLimited, Refuse, false},
		{"hidden field filled in", func(s *Signals) { s.Honeypot = true }, ReasonHoneypot, Drop, false},
		{"form back within a second", func(s *Signals) { s.TooFast = true }, ReasonTooFast, Drop, false},
	}
}

// every gives all combinations of all values of all signals.
func every(visit func(Signals)) {
	no := []bool{false, true}
	for _, domain := range []DomainStatus{DomainUnlisted, DomainAllowed, DomainBlocked} {
		for _, disposable := range []Policy{DisposableAllow, DisposableFlag, DisposableHold, DisposableBlock} {
			for _, captcha := range []Captcha{CaptchaOff, CaptchaPassed, CaptchaMissing, CaptchaFailed, CaptchaUnavailable} {
				for bits := range 8 {
					visit(Signals{Domain: domain, Disposable: disposable, Captcha: captcha,
						Limited: no[bits&1], Honeypot: no[bits>>1&1], TooFast: no[bits>>2&1]})
				}
			}
		}
	}
}

// present reports whether s carries the one signal that a sign sets.
func (x sign) present(s Signals) bool {
	var alone Signals
	x.set(&alone)
	if x.reason == ReasonDisposable && s.Domain == DomainAllowed {
		return false
	}
	with := s
	x.set(&with)
	return with == s && alone != Signals{}
}

// TestDecideOverAllCombinations holds Decide to the table: the strictest present sign, two weak ones hold, every reason
// is named, in order.
func TestDecideOverAllCombinations(t *testing.T) {
	severity := []Outcome{Accept, Hold, Drop, Refuse}
	count := 0
	every(func(s Signals) {
		count++
		strictest, weak := 0, 0
		var reasons, refusals []string
		for _, x := range signs() {
			if !x.present(s) {
				continue
			}
			reasons = append(reasons, x.reason)
			strictest = max(strictest, slices.Index(severity, x.outcome))
			if x.weak {
				weak++
			}
			if x.outcome == Refuse {
				refusals = append(refusals, x.reason)
			}
		}
		if weak > 1 {
			strictest = max(strictest, 1)
		}
		got := Decide(s)
		if got.Outcome != severity[strictest] || !slices.Equal(got.Reasons, reasons) || !slices.Equal(got.Refusals, refusals) {
			t.Errorf("%+v: %+v, want %s because %v", s, got, severity[strictest], reasons)
		}
	})
	if count != 480 {
		t.Errorf("%d combinations", count)
	}
}

// TestAFurtherSignNeverHelps, which is why a request may be refused before everything is known of it.
func TestAFurtherSignNeverHelps(t *testing.T) {
	severity := []Outcome{Accept, Hold, Drop, Refuse}
	every(func(s Signals) {
		before := slices.Index(severity, Decide(s).Outcome)
		for _, x := range signs() {
			with := s
			x.set(&with)
			replaced := s.Domain != DomainUnlisted && with.Domain != s.Domain ||
				s.Disposable != DisposableAllow && with.Disposable != s.Disposable ||
				s.Captcha != CaptchaOff && s.Captcha != CaptchaPassed && with.Captcha != s.Captcha
			if after := slices.Index(severity, Decide(with).Outcome); !replaced && after < before {
				t.Errorf("%+v is milder with %q", s, x.words)
			}
		}
	})
}

// TestTheTableOfTheDocs compares docs/risk.md with what Decide does.
func TestTheTableOfTheDocs(t *testing.T) {
	content, err := os.ReadFile("../../docs/risk.md")
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	row := func(words string, s Signals) {
		d := Decide(s)
		fmt.Fprintf(&table, "| %s | %s | `%s` |\n", words, d.Outcome, strings.Join(d.Reasons, "`, `"))
	}
	var pair Signals
	for _, x := range signs() {
		var s Signals
		x.set(&s)
		row(x.words, s)
		if x.weak {
			x.set(&pair)
		}
	}
	row("both weak signs together", pair)
	if !strings.Contains(string(content), table.String()) {
		t.Errorf("docs/risk.md lacks the table of Decide:\n%s", table.String())
	}
}
