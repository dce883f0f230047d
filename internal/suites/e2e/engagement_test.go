package e2e

import (
	"fmt"
	"testing"
	"time"

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
	s.exec(t, "update email_log set at = at - interval '1 day'") // outside of all budgets
	for _, address := range []string{"bounce@example.org", "complaint@example.org"} {
		v.subscribe(t, address)
		s.deliver(t)
		v.mail(t, address, 1)
	}
}

// TestComplaintsDuringAnOutage checks that no complaint or bounce is lost that arrives while PostgreSQL is unavailable, and
// that none counts twice, although SNS repeats each of them and the queue redelivers them.
func TestComplaintsDuringAnOutage(t *testing.T) {
	t.Parallel()
	s := start(t, devstack.Options{Variables: with(generous, "DELIVERY_LINGER", "0s"), NoSchedules: true})
	v := newVisitor(s.base, "127.47.2.1")
	s.Fakes.SES.SetPublishing(false)
	const suppressed = 12 // more than a batch
	for i := range suppressed {
		v.subscribe(t, fmt.Sprintf("%s%d@host%d.example.org", []string{"bounce", "complaint"}[i%2], i, i))
	}
	v.subscribe(t, "reader@example.org")
	s.deliver(t)
	if n := len(s.Fakes.SES.Emails()); n != suppressed+1 {
		t.Fatalf("%d emails", n)
	}
	s.allowConnections(t, false)
	for range 2 {
		s.Fakes.SES.Republish()
	}
	time.Sleep(2 * time.Second) // several deliveries of the queue
	if n := len(s.Fakes.EmailEvents.Waiting()); n != 2*(suppressed+1) {
		t.Errorf("%d events wait during the outage, want all %d", n, 2*(suppressed+1))
	}
	s.allowConnections(t, true)
	eventually(t, "the events to be applied", func() bool { return len(s.Fakes.EmailEvents.Waiting()) == 0 })
	for from, want := range map[string]int{
		"subscribers where status = 'suppressed'":                                    suppressed,
		"subscribers where email_norm = 'reader@example.org' and status = 'pending'": 1,
		"engagement_events":                                    suppressed + 1,
		"engagement_events where kind = 'complaint'":           suppressed / 2,
		"ledger_events where kind = 'subscription.suppressed'": suppressed,
		"suppressions": suppressed,
	} {
		if n := s.count(t, from); n != want {
			t.Errorf("%s: %d, want %d", from, n, want)
		}
	}
}
