package main

import (
	"slices"
	"testing"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/internal/local/devstack"
	"newsletter/shared/subscription"
)

// TestDestinationsFollowARestriction checks that Loops cannot send during a restriction, that its end creates the contact
// again, and that a contact that was unsubscribed at Loops stays so. The journal has both.
func TestDestinationsFollowARestriction(t *testing.T) {
	for _, unsubscribedThere := range []bool{false, true} {
		b := setup(t)
		o := b.outside()
		jane := b.Activate("jane@example.org").Link
		b.drain()
		if unsubscribedThere {
			o.loops.Put(devstack.LoopsContact{Email: "jane@example.org", Subscribed: false})
		}
		if got, err := b.Store.Restrict(t.Context(), jane, functiontest.Visit); err != nil || got != subscription.RestrictedNow {
			t.Fatal(got, err)
		}
		b.drain()
		for _, c := range o.loops.Contacts() {
			if c.Subscribed || !unsubscribedThere {
				t.Errorf("during the restriction: %+v", c)
			}
		}
		if got, err := b.Store.EndRestriction(t.Context(), jane, functiontest.Visit); err != nil || got != subscription.RestrictionEnded {
			t.Fatal(got, err)
		}
		b.drain()
		if contacts := o.loops.Contacts(); len(contacts) != 1 || contacts[0].Subscribed == unsubscribedThere {
			t.Errorf("after it: %+v", contacts)
		}
		entries := o.entries(t)
		slices.Sort(entries)
		if want := []string{"lifted restriction", "suppressed restriction mailbox"}; !slices.Equal(entries, want) {
			t.Errorf("journal %q, want %q", entries, want)
		}
		if got := b.Strings(`select kind from outbox where state <> 'done'`); len(got) != 0 {
			t.Errorf("left: %v", got)
		}
	}
}
