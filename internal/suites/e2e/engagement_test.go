package e2e

import (
	"testing"

	"newsletter/internal/local/devstack"
)

// TestBouncesAndComplaintsSuppress checks that addresses get no more email after a bounce or a complaint.
func TestBouncesAndComplaintsSuppress(t *testing.T) {
	t.Parallel()
	s := start(t, devstack.Options{Variables: with(generous, "DELIVERY_LINGER", "0s"), NoSchedules: true})
	v := newVisitor(s.base, "127.47.1.1")
	for _, address := range []string{"bounce@example.org", "complaint@example.org", "reader@example.org"} {
		v.subscribe(t, address)
	}
	s.deliver(t)
	eventually(t, "the events to be recorded", func() bool {
		return s.count(t, "engagement_events") == 3 && s.count(t, "subscribers where status = 'suppressed'") == 2
	})
	if n := s.count(t, "subscribers where email_norm = 'reader@example.org' and status = 'pending'"); n != 1 {
		t.Error("a delivery changed the subscriber")
	}
	s.exec(t, "update email_log set at = at - interval '1 day', sent_at = sent_at - interval '1 day'") // outside of all budgets
	for _, address := range []string{"bounce@example.org", "complaint@example.org"} {
		v.subscribe(t, address)
		s.deliver(t)
		v.mail(t, address, 1)
	}
}
