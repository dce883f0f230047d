package main

import (
	"net/http"
	"testing"

	"newsletter/internal/local/devstack"
)

// A late deletion does not remove the contact of a subscriber who has signed up with the same address since.
func TestLateDeletionKeepsNextSubscriber(t *testing.T) {
	b := setup(t)
	o := b.outside()
	b.Activate("jane@example.org")
	b.drain()
	b.erase("jane@example.org")
	down := devstack.Fault{Status: http.StatusBadGateway}
	o.loops.Fail(down, down)
	b.drain() // both calls fail
	again := b.Activate("jane@example.org")
	b.drain()
	b.due()
	b.drain()
	b.due()
	b.drain()
	if got := b.Strings(`select kind from outbox where state <> 'done'`); len(got) != 0 {
		t.Fatalf("not completed: %v", got)
	}
	contacts := o.loops.Contacts()
	if len(contacts) != 1 || !contacts[0].Subscribed || *contacts[0].UserID != again.SubscriberID.String() {
		t.Errorf("contacts %+v", contacts)
	}
	b.erase("jane@example.org")
	b.drain()
	if contacts := o.loops.Contacts(); len(contacts) != 0 {
		t.Errorf("contacts %+v", contacts)
	}
}
