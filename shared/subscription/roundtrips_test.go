package subscription

import (
	"net/url"
	"slices"
	"testing"
	"time"

	"newsletter/internal/fixtures/delayproxy"
	"newsletter/shared/config"
	"newsletter/shared/ledger"
	"newsletter/shared/outbox"
	"newsletter/shared/postgres"
)

// The round trips are counted on the network, outside the process.
func TestEachOperationIsTwoRoundTrips(t *testing.T) {
	b := setup(t)
	target, err := url.Parse(b.server.AppURL)
	if err != nil {
		t.Fatal(err)
	}
	proxy, err := delayproxy.Start(target.Host, 5*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Close() })
	target.Host = proxy.Addr()
	db, err := postgres.New(t.Context(), postgres.Config{URL: config.Seal(target.String()), CAFile: b.server.CAFile})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	if err := db.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.store = b.on(db)

	count := func(name string, want int, do func()) {
		t.Helper()
		before := proxy.RoundTrips()
		do()
		if got := proxy.RoundTrips() - before; got != want {
			t.Errorf("%s: %d round trips, want %d", name, got, want)
		}
	}
	count("request", 2, func() { b.request(jane, ConfirmationQueued) })
	count("request again", 2, func() { b.request(jane, ConfirmationQueued) })
	confirm := b.link(jane)
	count("read the consent text", 1, func() {
		if _, err := b.store.ConsentText(t.Context(), confirm); err != nil {
			t.Error(err)
		}
	})
	count("confirm", 2, func() { b.click(b.store.Confirm, confirm, ConfirmedNow) })
	count("confirm again", 2, func() { b.click(b.store.Confirm, confirm, AlreadyConfirmed) })
	unsubscribe := b.unsubscribeLink(jane)
	count("request a link", 2, func() { b.requestLink(jane, UnsubscribeLinkEmail, LinkQueued) })
	count("recipients", 1, func() {
		if _, err := b.store.Recipients(t.Context(), confirm.SubscriberID); err != nil {
			t.Error(err)
		}
	})
	claimed, err := outbox.NewWorker(b.db, b.now).Claim(t.Context(), outbox.Limits{Due: 10}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	due := claimed[slices.IndexFunc(claimed, func(d outbox.Delivery) bool { return d.Kind == UnsubscribeLinkEmail.Kind() })]
	count("check an email", 2, func() {
		if _, _, c, err := b.store.CheckSend(t.Context(), due); err != nil || c != (SendDecision{}) {
			t.Error(c, err)
		}
	})
	count("unsubscribe", 2, func() { b.click(b.store.Unsubscribe, unsubscribe, UnsubscribedNow) })
	count("decline", 2, func() {
		if got, err := b.store.Decline(t.Context(), confirm, address(t, jane), visit); got != MutedNow || err != nil {
			t.Error(got, err)
		}
	})
	count("suppress", 2, func() {
		b.suppress(Suppression{SubscriberID: confirm.SubscriberID, Reason: Complaint, Actor: ledger.Provider}, SuppressedNow)
	})
	count("expire", 2, func() {
		if _, err := b.store.Expire(t.Context(), 10); err != nil {
			t.Error(err)
		}
	})
}
