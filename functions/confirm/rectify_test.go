package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/shared/outbox"
	"newsletter/shared/subscription"
	"newsletter/shared/token"
)

// TestANewAddressIsConfirmed opens the link in the email to a subscriber's new address: the page names the change, in
// every language, nothing happens without the ticked box, and the button moves the subscription, once.
func TestANewAddressIsConfirmed(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	subscriber := b.Activate("jane@example.org")
	env := b.Env()
	eraser := subscription.NewEraser(b.Store, outbox.ReadVault(env))
	if got, err := eraser.Rectify(t.Context(), subscriber.Link, b.Address("jane@new.example.org"), functiontest.Visit); err != nil || got != subscription.LinkQueued {
		t.Fatal(got, err)
	}
	claims := token.Claims{Purpose: token.Confirm, Expires: time.Now().Add(token.ConfirmLifetime)}
	var id, event string
	b.Scan(`select subscriber_id::text, event_id::text, epoch from outbox where kind = 'email.rectify'`, nil, &id, &event, &claims.Epoch)
	claims.SubscriberID, claims.EventID = uuid.MustParse(id), uuid.MustParse(event)
	link := b.Sign(claims)
	api := b.Open(open).HTTP
	for language, title := range map[string]string{
		"en": "Do you want to receive The Jane Letter at this address?", "de": "Möchten Sie The Jane Letter an diese Adresse erhalten?",
		"fr": "Voulez-vous recevoir The Jane Letter à cette adresse ?",
	} {
		event := functiontest.SampleHTTP(t, "confirm", "show", link)
		event.Headers["accept-language"] = language
		got := functiontest.Serve(t, api, event)
		if got.Response.StatusCode != http.StatusOK || !strings.Contains(got.Response.Body, title) || strings.Contains(got.Response.Body, "jane@") {
			t.Errorf("%s: %d %s", language, got.Response.StatusCode, got.Response.Body)
		}
	}
	waiting := "jane@example.org active, jane@new.example.org pending"
	ledger := confirmed + ", requested:link_queued, requested:confirmation_queued"
	if got := functiontest.Serve(t, api, functiontest.SampleHTTP(t, "confirm", "unticked", link)); got.Response.StatusCode != http.StatusUnprocessableEntity {
		t.Errorf("without the box: %d", got.Response.StatusCode)
	}
	b.ExpectState(waiting, ledger, "email.confirm, change, email.rectify")
	for _, want := range []string{"Your address has been changed", "You are subscribed"} {
		got := functiontest.Serve(t, api, functiontest.SampleHTTP(t, "confirm", "button", link))
		if got.Response.StatusCode != http.StatusOK || !strings.Contains(got.Response.Body, want) {
			t.Errorf("%d %s, want %s", got.Response.StatusCode, got.Response.Body, want)
		}
		b.Scan(`select count(*) from ledger_events where kind = 'subscription.rectified'`, nil, &claims.Epoch)
		if claims.Epoch != 1 {
			t.Errorf("%d moves", claims.Epoch)
		}
	}
	if got := b.Strings(`select email_norm || ' ' || status || ' ' || epoch from subscribers where id = $1`, subscriber.SubscriberID); len(got) != 1 || got[0] != "jane@new.example.org active 2" {
		t.Errorf("%q", got)
	}
}
