package main

import (
	"net/http"
	"strings"
	"testing"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/internal/local/devstack"
	"newsletter/shared/outbox"
	"newsletter/shared/subscription"
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
	if len(contacts) != 1 || !contacts[0].Subscribed || *contacts[0].UserID == again.SubscriberID.String() {
		t.Errorf("contacts %+v", contacts)
	}
	b.erase("jane@example.org")
	b.drain()
	if contacts := o.loops.Contacts(); len(contacts) != 0 {
		t.Errorf("contacts %+v", contacts)
	}
}

func (b *bundle) erase(typed string) {
	b.Helper()
	b.forget(subscription.Erasure{Address: b.Address(typed), Visit: functiontest.Visit})
}

func (b *bundle) forget(e subscription.Erasure) {
	b.Helper()
	if outcome, err := subscription.NewEraser(b.Store, outbox.ReadVault(b.Env())).Erase(b.Context(), e); err != nil || outcome != subscription.ErasedNow {
		b.Fatalf("%s %v", outcome, err)
	}
}

// Without its key, the sealed payload of an erasure is lost: the message is dead-lettered and delays no other.
func TestLostSealingKey(t *testing.T) {
	b := setup(t)
	o := b.outside()
	b.Activate("jane@example.org")
	b.drain()
	b.erase("jane@example.org")
	b.Variables["OUTBOX_KEYS"] = "other:" + strings.Repeat("REVG", 11)
	b.drain()
	if got := b.Strings(`select distinct state || ' ' || outcome from outbox where kind in ('notify.loops', 'notify.journal')`); !strings.Contains(strings.Join(got, ","), "dead sealed") {
		t.Errorf("%v", got)
	}
	if len(o.loops.Contacts()) != 1 {
		t.Error("the contact was deleted without the payload")
	}
}
