package admission

import (
	"strings"
	"testing"

	"newsletter/shared/config"
)

func signUpConfig(t *testing.T, variables map[string]string) SignUpConfig {
	t.Helper()
	env := config.FromMap(variables)
	cfg := config.Read[SignUpConfig](env)
	if err := env.Err(); err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestDomainStatus(t *testing.T) {
	t.Parallel()
	lists := signUpConfig(t, map[string]string{
		"SIGNUP_BLOCKED_DOMAINS": "spam.example.net, Bücher.org,mail.good.org , trailing.example.",
		"SIGNUP_ALLOWED_DOMAINS": "good.org,fine.spam.example.net",
	})
	for domain, want := range map[string]domainStatus{
		"spam.example.net": domainBlocked, "a.b.spam.example.net": domainBlocked, "notspam.example.net": domainUnlisted,
		"example.net": domainUnlisted, "xn--bcher-kva.org": domainBlocked, "a.xn--bcher-kva.org": domainBlocked,
		"fine.spam.example.net": domainAllowed, "x.fine.spam.example.net": domainAllowed,
		"good.org": domainAllowed, "www.good.org": domainAllowed, "mail.good.org": domainBlocked, "x.mail.good.org": domainBlocked,
		"trailing.example": domainBlocked, "": domainUnlisted,
	} {
		if got := lists.status(domain); got != want {
			t.Errorf("%s: %q, want %q", domain, got, want)
		}
	}
	closed := signUpConfig(t, map[string]string{"SIGNUP_BLOCKED_DOMAINS": "*", "SIGNUP_ALLOWED_DOMAINS": "uni.de"})
	for domain, want := range map[string]domainStatus{"uni.de": domainAllowed, "cs.uni.de": domainAllowed, "gmail.com": domainBlocked, "de": domainBlocked} {
		if got := closed.status(domain); got != want {
			t.Errorf("a closed list, %s: %q, want %q", domain, got, want)
		}
	}
	if got := signUpConfig(t, nil).status("example.org"); got != domainUnlisted {
		t.Errorf("without lists: %q", got)
	}
}

func TestPolicyOfDisposableDomains(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]Policy{
		"": DisposableFlag, "flag": DisposableFlag, "hold": DisposableHold, "block": DisposableBlock, "allow": DisposableAllow,
	} {
		cfg := signUpConfig(t, map[string]string{"SIGNUP_DISPOSABLE_DOMAINS": value})
		if got := cfg.disposable("inbox.mailinator.com", "mailinator.com"); got != want {
			t.Errorf("%q: %q, want %q", value, got, want)
		}
		if got := cfg.disposable("example.org", "example.org"); got != DisposableAllow {
			t.Errorf("%q, a domain that is not listed: %q", value, got)
		}
	}
}

func TestInvalidSignUpSettings(t *testing.T) {
	t.Parallel()
	for _, c := range []map[string]string{
		{"SIGNUP_DISPOSABLE_DOMAINS": "maybe"}, {"SIGNUP_BLOCKED_DOMAINS": "jane@example.org"}, {"SIGNUP_BLOCKED_DOMAINS": "*.example.org"},
		{"SIGNUP_BLOCKED_DOMAINS": "https://example.org"}, {"SIGNUP_ALLOWED_DOMAINS": ".example.org"}, {"SIGNUP_ALLOWED_DOMAINS": "exa mple.org"},
		{"SIGNUP_BLOCKED_DOMAINS": "example.org", "SIGNUP_ALLOWED_DOMAINS": "EXAMPLE.org"},
	} {
		env := config.FromMap(c)
		config.Read[SignUpConfig](env)
		err := env.Err()
		for name := range c {
			if err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%v: %v", c, err)
			}
		}
	}
}
