package main

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/internal/local/devstack"
	"newsletter/shared/outbox"
	"newsletter/shared/subscription"
	"newsletter/shared/token"
)

// rectify changes the address of a subscriber, by both emails.
func (b *bundle) rectify(subscriber token.Claims, to string) {
	b.Helper()
	eraser := subscription.NewEraser(b.Store, outbox.ReadVault(b.Env()))
	if outcome, err := eraser.Rectify(b.Context(), subscriber.Link, b.Address(to), functiontest.Visit); err != nil || outcome != subscription.LinkQueued {
		b.Fatal(outcome, err)
	}
	b.drain()
	sent := b.ses.Since(0)
	email := sent[len(sent)-1]
	if email.To != to || !strings.Contains(email.Subject, "neue Adresse") {
		b.Fatalf("%+v", email)
	}
	claims := b.claims(email, confirmPath, token.Confirm)
	if outcome, err := b.Store.Confirm(b.Context(), claims.Link, functiontest.Visit); err != nil || outcome != subscription.AddressChanged {
		b.Fatal(outcome, err)
	}
}

// TestDestinationsLearnTheNewAddress checks that the old contact is deleted, also one that Loops knew before under another
// user id and after a failure, that the new one exists, and that the journal ends the old address, so that a restored backup does not
// email it.
func TestDestinationsLearnTheNewAddress(t *testing.T) {
	for _, before := range []string{"", "their-own-id"} {
		b := setup(t)
		o := b.outside()
		if before != "" {
			o.loops.Put(devstack.LoopsContact{Email: "jane@example.org", UserID: &before, Subscribed: true})
		}
		jane := b.Activate("jane@example.org")
		b.drain()
		b.rectify(jane, "jane@new.example.org")
		o.loops.Fail(devstack.Fault{Status: http.StatusBadGateway})
		b.drain()
		b.due()
		b.drain()
		contacts := o.loops.Contacts()
		if len(contacts) != 1 || contacts[0].Email != "jane@new.example.org" || !contacts[0].Subscribed || uuid.Validate(*contacts[0].UserID) != nil {
			t.Errorf("contacts %+v", contacts)
		}
		if got := o.entries(t); !slices.Equal(got, []string{"unsubscribed"}) {
			t.Errorf("journal %q", got)
		}
		if got := b.Strings(`select kind from outbox where state <> 'done' or sealed is not null`); len(got) != 0 {
			t.Errorf("left: %v", got)
		}
	}
}
