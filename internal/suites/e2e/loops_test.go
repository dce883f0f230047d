package e2e

import (
	"strings"
	"testing"
)

// TestLeavingAtLoops checks that a subscriber who leaves by a link in an issue that Loops sent is unsubscribed here, by an
// event of the ledger whose actor is the provider, without an echo to Loops; and that a contact that the owner deletes stays
// subscribed.
func TestLeavingAtLoops(t *testing.T) {
	t.Parallel()
	s := start(t, quiet())
	defer fit(t, s.Fakes)
	for network, address := range map[string]string{"127.13.0.1": "jane.leaves@example.org", "127.13.0.2": "joe.deleted@example.org", "127.13.0.3": "ann.complains@example.org"} {
		activate(t, s, newVisitor(s.base, network), address)
	}
	s.deliver(t)
	s.drained(t)
	updates := s.Fakes.Loops.Calls()["PUT /api/v1/contacts/update"]

	s.Fakes.Loops.React("jane.leaves@example.org", "email.unsubscribed")
	s.Fakes.Loops.Remove("joe.deleted@example.org")
	s.Fakes.Loops.React("ann.complains@example.org", "email.spamReported")
	eventually(t, "the end of two subscriptions", func() bool {
		s.deliver(t)
		return s.count(t, "subscribers where status <> 'active'") == 2
	})
	s.deliver(t)
	s.drained(t)
	if n := s.count(t, "subscribers where email = 'joe.deleted@example.org' and status = 'active'"); n != 1 {
		t.Error("a contact that the owner deleted was unsubscribed")
	}
	if n := s.count(t, `ledger_events where kind = 'subscription.unsubscribed' and actor = 'provider' and channel = 'loops'
		and subscriber_id = (select id from subscribers where email = 'jane.leaves@example.org')`); n != 1 {
		t.Errorf("%d events of jane's unsubscribe", n)
	}
	proof := s.operator(t, "consent", "proof", "jane.leaves@example.org")
	if _, withdrawn, _ := strings.Cut(proof, "Withdrew the consent"); !strings.Contains(withdrawn, "channel          loops") {
		t.Errorf("the proof of consent lacks the withdrawal:\n%s", proof)
	}
	for _, c := range s.Fakes.Loops.Contacts() {
		if c.Subscribed {
			t.Errorf("subscribed at Loops: %+v", c)
		}
	}
	if got := s.Fakes.Loops.Calls()["PUT /api/v1/contacts/update"] - updates; got > 2 {
		t.Errorf("%d updates of two contacts", got)
	}
}
