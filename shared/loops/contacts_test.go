package loops

import (
	"maps"
	"testing"

	"newsletter/internal/local/devstack"
	"newsletter/shared/outbox"
)

func TestContactFollowsASubscription(t *testing.T) {
	b := setup(t, "list1", "list2")
	p := Subscriber{Email: jane, SubscriberID: id, Source: "footer"}
	b.expect(outbox.Subscribed)(b.Subscribe(t.Context(), p))
	if c := b.contact(); c.Email != jane || *c.UserID != id || c.Source != "footer" || !c.Subscribed || len(c.MailingLists) != 2 {
		t.Errorf("%+v", c)
	}
	b.expect(outbox.Subscribed)(b.Subscribe(t.Context(), p)) // repeated

	b.expect(outbox.Unsubscribed)(b.Unsubscribe(t.Context(), p))
	b.expect(outbox.Unsubscribed)(b.Unsubscribe(t.Context(), p))
	if c := b.contact(); c.Subscribed || len(c.MailingLists) != 0 {
		t.Errorf("%+v", c)
	}

	b.expect(outbox.RefusedUnsubscribed)(b.Subscribe(t.Context(), p)) // a late delivery of the first sign-up
	if b.contact().Subscribed {
		t.Error("an unsubscribe at Loops was ended")
	}
	p.Returning = true
	b.expect(outbox.Subscribed)(b.Subscribe(t.Context(), p))
	if c := b.contact(); !c.Subscribed || !maps.Equal(c.MailingLists, map[string]bool{"list1": true, "list2": true}) {
		t.Errorf("%+v", c)
	}

	b.expect(outbox.Deleted)(b.Delete(t.Context(), p))
	b.expect(outbox.Absent)(b.Delete(t.Context(), p))
	if all := b.fake.Contacts(); len(all) != 0 {
		t.Errorf("%+v", all)
	}
}

// TestAListThatASubscriberLeft checks that a later change of a subscription puts no contact back on a list.
func TestAListThatASubscriberLeft(t *testing.T) {
	b := setup(t, "list1", "list2")
	p := Subscriber{Email: jane, SubscriberID: id}
	b.expect(outbox.Subscribed)(b.Subscribe(t.Context(), p))
	contact := b.contact()
	contact.MailingLists = map[string]bool{"list2": true}
	b.fake.Put(contact)
	b.expect(outbox.Subscribed)(b.Subscribe(t.Context(), p))
	if c := b.contact(); !maps.Equal(c.MailingLists, map[string]bool{"list2": true}) {
		t.Errorf("%+v", c)
	}
	p.Returning = true
	b.expect(outbox.Subscribed)(b.Subscribe(t.Context(), p))
	if c := b.contact(); len(c.MailingLists) != 2 {
		t.Errorf("who signed up again: %+v", c)
	}
}

func TestDeletingBySubscriberID(t *testing.T) {
	b := setup(t)
	b.expect(outbox.Subscribed)(b.Subscribe(t.Context(), Subscriber{Email: jane, SubscriberID: id}))
	b.expect(outbox.Deleted)(b.Delete(t.Context(), Subscriber{SubscriberID: id}))
}

// An unsubscribe creates no contact.
func TestUnsubscribeCreatesNoContact(t *testing.T) {
	b := setup(t)
	b.expect(outbox.Absent)(b.Unsubscribe(t.Context(), Subscriber{Email: jane, SubscriberID: id}))
	if all := b.fake.Contacts(); len(all) != 0 {
		t.Errorf("%+v", all)
	}
}

func TestRefusedContactIsUnchanged(t *testing.T) {
	for name, test := range map[string]struct {
		subscribed, suppressed bool
		optIn                  string
		returning              bool
		want                   outbox.Outcome
	}{
		"subscribed":               {true, false, "", false, outbox.Subscribed},
		"left":                     {false, false, "", false, outbox.RefusedUnsubscribed},
		"left, accepted before":    {false, false, "accepted", false, outbox.RefusedUnsubscribed},
		"left, then returned":      {false, false, "", true, outbox.Subscribed},
		"suppressed":               {true, true, "", false, outbox.RefusedSuppressed},
		"suppressed, returned":     {false, true, "", true, outbox.RefusedSuppressed},
		"declined":                 {false, false, "rejected", false, outbox.RefusedDeclined},
		"declined, then returned":  {false, false, "rejected", true, outbox.Subscribed},
		"still asked over there":   {false, false, "pending", false, outbox.Subscribed},
		"suppressed while pending": {false, true, "pending", false, outbox.RefusedSuppressed},
	} {
		t.Run(name, func(t *testing.T) {
			b := setup(t)
			before := devstack.LoopsContact{ID: "c1", Email: jane, Subscribed: test.subscribed, Suppressed: test.suppressed, Source: "app"}
			if test.optIn != "" {
				before.OptInStatus = &test.optIn
			}
			b.fake.Put(before)
			got, err := b.Subscribe(t.Context(), Subscriber{Email: jane, SubscriberID: id, Source: "footer", Returning: test.returning})
			if err != nil || got != test.want {
				t.Fatalf("%q, %v", got, err)
			}
			c, refused := b.contact(), got != outbox.Subscribed
			if refused && (c.Subscribed != test.subscribed || c.UserID != nil) || !refused && (!c.Subscribed || *c.UserID != id) {
				t.Errorf("%+v", c)
			}
			if c.Source != "app" {
				t.Errorf("the source became %q", c.Source)
			}
		})
	}
}

// An unsubscribe at Loops between Find and the update remains.
func TestConcurrentUnsubscribeRemains(t *testing.T) {
	b := setup(t)
	b.fake.Put(devstack.LoopsContact{Email: jane, Subscribed: true})
	b.http = after{b.http, "/suppression", func() { b.fake.Put(devstack.LoopsContact{Email: jane}) }}
	b.expect(outbox.Subscribed)(b.Subscribe(t.Context(), Subscriber{Email: jane, SubscriberID: id}))
	if b.contact().Subscribed {
		t.Error("the contact was subscribed again")
	}
}

func TestOwnersUserIDIsKept(t *testing.T) {
	b := setup(t)
	customer := "customer-7"
	b.fake.Put(devstack.LoopsContact{Email: jane, Subscribed: true, UserID: &customer})
	b.expect(outbox.Subscribed)(b.Subscribe(t.Context(), Subscriber{Email: jane, SubscriberID: id}))
	if c := b.contact(); *c.UserID != customer {
		t.Errorf("it became %q", *c.UserID)
	}
}
