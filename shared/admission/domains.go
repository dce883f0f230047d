package admission

import (
	"errors"
	"slices"
	"strings"

	"golang.org/x/net/idna"

	"newsletter/shared/disposable"
	"newsletter/shared/ratelimit"
)

// SignUpConfig configures the admission of sign-ups apart from the limits.
type SignUpConfig struct {
	// Unverified limits sign-ups while the CAPTCHA verifier is unavailable, in addition to LIMITS_SUBSCRIBE. It is
	// about a tenth of it, because nothing else stops a bot then.
	Unverified ratelimit.Policies `envDefault:"5/10m@host,30/1h@site"`
	// What happens to addresses at disposable-email domains: allow, flag (recorded as a sign of abuse), hold (the
	// email waits for the owner) or block (the visitor sees an error).
	Disposable Policy `env:"SIGNUP_DISPOSABLE_DOMAINS" envDefault:"flag"`
	// Domains whose addresses are refused. A domain covers its subdomains, and * covers every domain. Empty: none.
	Blocked Domains `env:"SIGNUP_BLOCKED_DOMAINS" example:"spam.example"`
	// Exceptions from blocked and disposable domains, in the same form. If both lists cover an address, the longer
	// entry wins. Empty: none.
	Allowed Domains `env:"SIGNUP_ALLOWED_DOMAINS" example:"partner.example"`
}

// Validate implements the check of config.Env.Read.
func (c SignUpConfig) Validate() error {
	for _, domain := range c.Blocked {
		if slices.Contains(c.Allowed, domain) {
			return errors.New("SIGNUP_BLOCKED_DOMAINS: contains a domain that SIGNUP_ALLOWED_DOMAINS contains too")
		}
	}
	return nil
}

// status returns the status of a domain in the owner's lists.
func (c SignUpConfig) status(domain string) domainStatus {
	allowed, blocked := c.Allowed.covers(domain), c.Blocked.covers(domain)
	switch {
	case allowed > blocked:
		return domainAllowed
	case blocked > 0:
		return domainBlocked
	}
	return domainUnlisted
}

// disposable returns the policy that applies to an address at a domain.
func (c SignUpConfig) disposable(domain, registrable string) Policy {
	if c.Disposable != DisposableAllow && disposable.Listed(domain, registrable) {
		return c.Disposable
	}
	return DisposableAllow
}

// UnmarshalText parses a policy's name.
func (p *Policy) UnmarshalText(text []byte) error {
	switch read := Policy(text); read {
	case "allow":
		*p = DisposableAllow
	case DisposableFlag, DisposableHold, DisposableBlock:
		*p = read
	default:
		return errors.New("must be allow, flag, hold or block")
	}
	return nil
}

// Domains is a list of domains as lower-case A-labels; "*" matches all.
type Domains []string

// UnmarshalText parses domains separated by commas.
func (d *Domains) UnmarshalText(text []byte) error {
	*d = nil
	for item := range strings.SplitSeq(string(text), ",") {
		item = strings.TrimSpace(item)
		switch item {
		case "":
			continue
		case "*":
			*d = append(*d, item)
			continue
		}
		domain, err := idna.Lookup.ToASCII(strings.TrimSuffix(item, "."))
		if err != nil || domain == "" || strings.HasPrefix(domain, ".") || strings.ContainsAny(domain, "*@/:") {
			return errors.New("each must be a domain, or *")
		}
		*d = append(*d, domain)
	}
	return nil
}

// covers returns the length of the longest entry that covers a domain, 0 for none.
func (d Domains) covers(domain string) int {
	longest := 0
	for _, entry := range d {
		if entry == "*" || domain == entry || strings.HasSuffix(domain, "."+entry) {
			longest = max(longest, len(entry))
		}
	}
	return longest
}
