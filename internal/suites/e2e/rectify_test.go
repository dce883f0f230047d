package e2e

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// TestANewAddressByTwoEmails changes a subscriber's address from the privacy page, which opens without a link, in every
// language: a link to the old mailbox, a form, a link to the new mailbox, a box and a button. Everything that follows
// goes to the new address.
func TestANewAddressByTwoEmails(t *testing.T) {
	t.Parallel()
	s := start(t, quiet())
	defer fit(t, s.Fakes)
	v := newVisitor(s.base, "127.30.1.1")
	for _, c := range []struct{ language, privacy, data, sent, confirm, changed string }{
		{"en", "Enter your address", "Use this address from now on", "Please check the inbox of the new address", "at this address?", "Your address has been changed"},
		{"de", "Geben Sie Ihre Adresse ein", "Ab jetzt diese Adresse verwenden", "Bitte prüfen Sie das Postfach der neuen Adresse", "an diese Adresse erhalten?", "Ihre Adresse wurde geändert"},
		{"fr", "Saisissez votre adresse", "Utiliser désormais cette adresse", "Consultez la boîte de réception de la nouvelle adresse", "à cette adresse ?", "Votre adresse a été modifiée"},
	} {
		page := func(method, path, body, want string, status int) answer {
			t.Helper()
			got := v.send(t, method, path, body, asForm, "Accept: text/html", "Accept-Language: "+c.language)
			if got.Status != status || !strings.Contains(got.Body, want) {
				t.Fatalf("%s %s: %d %s, want %q", c.language, path, got.Status, got.Body, want)
			}
			return got
		}
		old, address := "moves."+c.language+"@example.org", "moved."+c.language+"@example.net"
		activate(t, s, v, old)
		s.deliver(t)
		form := page(http.MethodGet, privacyPath, "", c.privacy, http.StatusOK)
		if all := submissions(t, form); len(all) != 2 || !strings.HasPrefix(all[0].path, privacyPath) {
			t.Fatalf("%s: forms %+v", c.language, all)
		}
		emails := len(v.inbox(t, old))
		page(http.MethodPost, privacyPath, url.Values{"email": {old}, "request": {"export"}}.Encode(), "", http.StatusAccepted)
		s.deliver(t)
		data := v.mail(t, old, emails+1).link(t, privacyPath)
		page(http.MethodGet, data, "", c.data, http.StatusOK)
		page(http.MethodPost, data, url.Values{"action": {"rectify"}, "email": {address}}.Encode(), c.sent, http.StatusAccepted)
		s.deliver(t)
		confirm := v.mail(t, address, 1).link(t, confirmPath)
		page(http.MethodGet, confirm, "", c.confirm, http.StatusOK)
		if got := s.status(t, old); got != "active" {
			t.Errorf("%s: before the button: %s", c.language, got)
		}
		page(http.MethodPost, confirm, agree, c.changed, http.StatusOK)
		if s.status(t, old) != "none" || s.status(t, address) != "active" {
			t.Errorf("%s: %s and %s", c.language, s.status(t, old), s.status(t, address))
		}
		if got := s.ledger(t, address); !slices.Contains(got, "subscription.confirmed") || !slices.Contains(got, "subscription.rectified") {
			t.Errorf("%s: the history is %v", c.language, got)
		}
		s.deliver(t)
		s.drained(t)
		var contacts []string
		for _, contact := range s.Fakes.Loops.Contacts() {
			if strings.Contains(contact.Email, "."+c.language+"@") && contact.Subscribed {
				contacts = append(contacts, contact.Email)
			}
		}
		if !slices.Equal(contacts, []string{address}) {
			t.Errorf("%s: contacts %v", c.language, contacts)
		}
		page(http.MethodPost, privacyPath, url.Values{"email": {address}, "request": {"export"}}.Encode(), "", http.StatusAccepted)
		s.deliver(t)
		if copied := page(http.MethodPost, v.mail(t, address, 2).link(t, privacyPath), "", `"subscription.rectified"`, http.StatusOK); strings.Contains(copied.Body, old) {
			t.Errorf("%s: the copy has the old address", c.language)
		}
	}
}
