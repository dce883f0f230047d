package subscription

import (
	"fmt"
	"testing"
	"time"
)

func TestTheCapOfOneDomain(t *testing.T) {
	b := setup(t)
	b.store.cfg.Domain = DomainCap{Limit: 3, Exempt: Exemptions{"example.net"}}
	at := func(i int, domain string) string { return fmt.Sprintf("jane%d@%s", i, domain) }
	for i := range 3 {
		b.request(at(i, "mail.example.org"), ConfirmationQueued)
	}
	b.request(at(3, "example.org"), ConfirmationCapped) // the registrable domain counts, not its parts
	b.request(at(0, "mail.example.org"), ConfirmationCapped)
	if got := b.strings(`select data->>'reasons' from audit_events order by id desc limit 1`); got[0] != `["domain_cap"]` {
		t.Errorf("recorded %v", got)
	}
	b.expectRow(at(3, "example.org"), Pending, 1, false) // nobody is lost: the next request mails
	for i := range 5 {
		b.request(at(i, "gmail.com"), ConfirmationQueued)
		b.request(at(i, "lists.example.net"), ConfirmationQueued)
		b.request(at(i, fmt.Sprintf("shop%d.co.uk", i)), ConfirmationQueued) // not one domain
	}
	b.activate("john@example.com")
	b.advance(time.Hour)
	b.request(at(3, "example.org"), ConfirmationQueued)

	// Who leaves or asks for their data is not held up: that mail goes to subscribers alone.
	b.store.cfg.Domain.Limit = 1
	b.ask("john@example.com", UnsubscribeLinkMail, LinkQueued)
	b.ask("john@example.com", ExportLinkMail, LinkQueued)
	b.store.cfg.Domain.Limit = 0
	for i := range 60 {
		b.request(at(i, "example.edu"), ConfirmationQueued)
	}
}
