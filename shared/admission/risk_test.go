package admission

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

// signalCase is one signal, its description in docs/risk.md and its outcome. Two weak signals hold a request.
type signalCase struct {
	words   string
	set     func(*signals)
	reason  string
	outcome Outcome
	weak    bool
}

func signalCases() []signalCase {
	return []signalCase{
		{"domain in `signup.blocked_domains`", func(s *signals) { s.Domain = domainBlocked }, ReasonDomainBlocked, Refuse, false},
		{"disposable domain, `signup.disposable_domains` is `flag`", func(s *signals) { s.Disposable = DisposableFlag }, ReasonDisposable, Accept, true},
		{"disposable domain, `signup.disposable_domains` is `hold`", func(s *signals) { s.Disposable = DisposableHold }, ReasonDisposable, Hold, false},
		{"disposable domain, `signup.disposable_domains` is `block`", func(s *signals) { s.Disposable = DisposableBlock }, ReasonDisposable, Refuse, false},
		{"no CAPTCHA response", func(s *signals) { s.Captcha = captchaMissing }, ReasonCaptchaMissing, Refuse, false},
		{"CAPTCHA response wrong, expired or used before", func(s *signals) { s.Captcha = captchaFailed }, ReasonCaptchaFailed, Refuse, false},
		{"CAPTCHA verifier unavailable", func(s *signals) { s.Captcha = captchaUnavailable }, reasonCaptchaUnavailable, Accept, true},
		{"rate limit of the network exceeded", func(s *signals) { s.Limited = true }, ReasonRateLimited, Refuse, false},
		{"honeypot filled in", func(s *signals) { s.Honeypot = true }, reasonHoneypot, Hold, false},
		{"form sent within a second", func(s *signals) { s.TooFast = true }, reasonTooFast, Accept, true},
	}
}

// everyCombination calls visit with all combinations of the values of all signals.
func everyCombination(visit func(signals)) {
	no := []bool{false, true}
	for _, domain := range []domainStatus{domainUnlisted, domainAllowed, domainBlocked} {
		for _, disposable := range []Policy{DisposableAllow, DisposableFlag, DisposableHold, DisposableBlock} {
			for _, captcha := range []captchaState{captchaOff, captchaPassed, captchaMissing, captchaFailed, captchaUnavailable} {
				for bits := range 8 {
					visit(signals{Domain: domain, Disposable: disposable, Captcha: captcha,
						Limited: no[bits&1], Honeypot: no[bits>>1&1], TooFast: no[bits>>2&1]})
				}
			}
		}
	}
}

// present reports whether s has the signal of x.
func (x signalCase) present(s signals) bool {
	var alone signals
	x.set(&alone)
	if x.reason == ReasonDisposable && s.Domain == domainAllowed {
		return false
	}
	with := s
	x.set(&with)
	return with == s && alone != signals{}
}

// TestDecideOverAllCombinations checks that the strictest signal decides, that two weak signals hold, and that the
// reasons are complete and in order.
func TestDecideOverAllCombinations(t *testing.T) {
	severity := []Outcome{Accept, Hold, Refuse}
	count := 0
	everyCombination(func(s signals) {
		count++
		strictest, weak := 0, 0
		var reasons, refusals []string
		for _, x := range signalCases() {
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
		got := decide(s)
		if got.Outcome != severity[strictest] || !slices.Equal(got.Reasons, reasons) || !slices.Equal(got.Refusals, refusals) {
			t.Errorf("%+v: %+v, want %s because %v", s, got, severity[strictest], reasons)
		}
	})
	if count != 480 {
		t.Errorf("%d combinations", count)
	}
}

// TestAdditionalSignalIsNeverMilder is why a request may be refused before all signals are known.
func TestAdditionalSignalIsNeverMilder(t *testing.T) {
	severity := []Outcome{Accept, Hold, Refuse}
	everyCombination(func(s signals) {
		before := slices.Index(severity, decide(s).Outcome)
		for _, x := range signalCases() {
			with := s
			x.set(&with)
			replaced := s.Domain != domainUnlisted && with.Domain != s.Domain ||
				s.Disposable != DisposableAllow && with.Disposable != s.Disposable ||
				s.Captcha != captchaOff && s.Captcha != captchaPassed && with.Captcha != s.Captcha
			if after := slices.Index(severity, decide(with).Outcome); !replaced && after < before {
				t.Errorf("%+v is milder with %q", s, x.words)
			}
		}
	})
}

// TestHoldReasons checks that HoldReasons lists the reasons of every hold, and no other.
func TestHoldReasons(t *testing.T) {
	found := map[string]bool{}
	everyCombination(func(s signals) {
		if d := decide(s); d.Outcome == Hold {
			for _, reason := range d.Reasons {
				found[reason] = true
			}
		}
	})
	if got, want := slices.Sorted(maps.Keys(found)), slices.Sorted(slices.Values(HoldReasons())); !slices.Equal(got, want) {
		t.Errorf("holds have %q, HoldReasons %q", got, want)
	}
}

// TestDocumentedTable compares docs/risk.md with decide.
func TestDocumentedTable(t *testing.T) {
	content, err := os.ReadFile("../../docs/risk.md")
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	row := func(words string, s signals) {
		d := decide(s)
		fmt.Fprintf(&table, "| %s | %s | `%s` |\n", words, d.Outcome, strings.Join(d.Reasons, "`, `"))
	}
	var pair signals
	for _, x := range signalCases() {
		var s signals
		x.set(&s)
		row(x.words, s)
		if x.weak {
			x.set(&pair)
		}
	}
	row("several weak signals, such as these", pair)
	if !strings.Contains(string(content), table.String()) {
		t.Errorf("docs/risk.md lacks the table of Decide:\n%s", table.String())
	}
}
