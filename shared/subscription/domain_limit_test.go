package subscription

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"newsletter/shared/config"
)

func TestExemptions(t *testing.T) {
	t.Parallel()
	for value, want := range map[string][]string{
		"": nil, "example.org": {"example.org"}, " Example.NET , Bücher.de,shop.co.uk.,": {"example.net", "xn--bcher-kva.de", "shop.co.uk"},
	} {
		env := config.FromMap(map[string]string{"LIMITS_EXEMPT_DOMAINS": value})
		if got := config.Read[DomainLimit](env); env.Err() != nil || !slices.Equal(got.Exempt, want) || got.Limit != 50 {
			t.Errorf("%q: %v, %v", value, got, env.Err())
		}
	}
	for name, value := range map[string]string{
		"a subdomain": "lists.example.org", "a public suffix": "co.uk", "a pattern": "*.example.org", "an address": "jane@example.org",
		"a URL": "https://example.org", "a name": "localhost", "two without a comma": "example.org example.net",
	} {
		env := config.FromMap(map[string]string{"LIMITS_EXEMPT_DOMAINS": value})
		config.Read[DomainLimit](env)
		if err := env.Err(); err == nil || !strings.Contains(err.Error(), "LIMITS_EXEMPT_DOMAINS") || strings.Contains(err.Error(), value) {
			t.Errorf("%s: %v", name, err)
		}
	}
	env := config.FromMap(map[string]string{"LIMITS_DOMAIN_EMAILS_PER_HOUR": "-1"})
	config.Read[DomainLimit](env)
	if err := env.Err(); err == nil || !strings.Contains(err.Error(), "LIMITS_DOMAIN_EMAILS_PER_HOUR") {
		t.Error(err)
	}
}

func TestTheDomainLimit(t *testing.T) {
	b := setup(t)
	b.store.domainLimit = DomainLimit{Limit: 3, Exempt: Exemptions{"example.net"}}
	at := func(i int, domain string) string { return fmt.Sprintf("jane%d@%s", i, domain) }
	for i := range 3 {
		b.request(at(i, "mail.example.org"), ConfirmationQueued)
	}
	b.request(at(3, "example.org"), ConfirmationOverBudget) // subdomains count as their registrable domain
	b.request(at(0, "mail.example.org"), ConfirmationOverBudget)
	if got := b.strings(`select data->>'reasons' from ledger_events order by id desc limit 1`); got[0] != `["domain_limit"]` {
		t.Errorf("recorded %v", got)
	}
	b.expectRow(at(3, "example.org"), Pending, 1, false) // the next request sends an email
	for i := range 5 {
		b.request(at(i, "gmail.com"), ConfirmationQueued)
		b.request(at(i, "lists.example.net"), ConfirmationQueued)
		b.request(at(i, fmt.Sprintf("shop%d.co.uk", i)), ConfirmationQueued) // different registrable domains
	}
	b.activate("john@example.com")
	b.advance(time.Hour)
	b.request(at(3, "example.org"), ConfirmationQueued)

	// Unsubscribe and privacy links are not limited: they go to subscribers only.
	b.store.domainLimit.Limit = 1
	b.requestLink("john@example.com", UnsubscribeLinkEmail, LinkQueued)
	b.requestLink("john@example.com", ExportLinkEmail, LinkQueued)
	b.store.domainLimit.Limit = 0
	for i := range 60 {
		b.request(at(i, "example.edu"), ConfirmationQueued)
	}
}
