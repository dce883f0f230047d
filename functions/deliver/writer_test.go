package main

import (
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"newsletter/shared/catalog"
	"newsletter/shared/config"
	"newsletter/shared/ledger"
	"newsletter/shared/outbox"
	"newsletter/shared/subscription"
	"newsletter/shared/token"
)

// Every email has texts in every language, a link of its purpose, and one unsubscribe link.
func TestEveryEmailIsComposed(t *testing.T) {
	t.Parallel()
	env := config.FromMap(map[string]string{
		"SITE_NAME": "The Jane Letter", "SITE_POSTAL_ADDRESS": "1 Main St", "TOKEN_KEYS_CONFIRM": strings.Repeat("QUJD", 11),
		"TOKEN_KEYS_UNSUBSCRIBE": strings.Repeat("REVG", 11), "TOKEN_KEYS_PRIVACY": strings.Repeat("R0hJ", 11),
	})
	w := writer{
		rings: map[token.Purpose]*token.Ring{}, catalog: catalog.Read(env), publicURL: "https://api.example.org", now: time.Now,
	}
	for purpose := range linkPaths {
		w.rings[purpose] = token.ReadRing(env, purpose)
	}
	if err := env.Err(); err != nil {
		t.Fatal(err)
	}
	to := subscription.Recipient{SubscriberID: uuid.New(), Mailbox: "jane@example.org", Epoch: 2}
	files, err := filepath.Glob("../../shared/catalog/locales/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d languages, %v", len(files), err)
	}
	for _, file := range files {
		language := strings.TrimSuffix(filepath.Base(file), ".json")
		texts := w.catalog.For(language)
		to.Locale = ledger.Locale(language)
		for name := range texts.Emails {
			if !slices.Contains(subscription.Emails(), subscription.Email(name)) {
				t.Errorf("%s has texts of an unknown email %s", to.Locale, name)
			}
		}
		for _, e := range subscription.Emails() {
			d := outbox.Delivery{ID: uuid.New(), Kind: e.Kind(), EventID: uuid.New()}
			m, known := w.compose(d, to)
			if !known || m.Subject == "" || m.Subject != texts.Emails[string(e)].Subject || m.To != to.Mailbox || m.DeliveryID != d.ID.String() {
				t.Errorf("%s, %s: %v %+v", to.Locale, e, known, m)
				continue
			}
			links := strings.Count(m.Text, "?token=")
			if got := claimsOf(t, w, m.UnsubscribeTo, token.Unsubscribe); got.SubscriberID != to.SubscriberID || !strings.Contains(m.Text, m.UnsubscribeTo) {
				t.Errorf("%s, %s: unsubscribe link %+v in %s", to.Locale, e, got, m.Text)
			}
			button := texts.Emails[string(e)].Button
			switch e.Link() {
			case 0:
				if links != 1 || button != "" {
					t.Errorf("%s, %s: %d links in %s", to.Locale, e, links, m.Text)
				}
			case token.Unsubscribe:
				if links != 1 || button == "" {
					t.Errorf("%s, %s: %d links in %s", to.Locale, e, links, m.Text)
				}
			default:
				_, after, _ := strings.Cut(m.Text, button+":\n")
				link, _, _ := strings.Cut(after, "\n")
				if got := claimsOf(t, w, link, e.Link()); got.EventID != d.EventID || got.Epoch != 2 || got.Expires.IsZero() || links != 2 {
					t.Errorf("%s, %s: %+v", to.Locale, e, got)
				}
			}
		}
	}
	if _, known := w.compose(outbox.Delivery{Kind: "email.newer"}, to); known {
		t.Error("an email of a newer version is composed")
	}
}

// claimsOf verifies a link.
func claimsOf(t *testing.T, w writer, link string, purpose token.Purpose) token.Claims {
	t.Helper()
	u, err := url.Parse(link)
	if err != nil || u.Path != linkPaths[purpose] {
		t.Fatalf("%s, %v", link, err)
	}
	claims, err := w.rings[purpose].Verify(t.Context(), u.Query().Get("token"), time.Now())
	if err != nil || claims.Purpose != purpose {
		t.Fatalf("%s: %+v, %v", link, claims, err)
	}
	return claims
}
