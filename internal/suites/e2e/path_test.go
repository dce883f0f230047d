package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestSignUpTravelsTheWholePath signs up, confirms and unsubscribes with one click. Each step is one ledger event.
func TestSignUpTravelsTheWholePath(t *testing.T) {
	t.Parallel()
	s := shared(t)
	jane := newVisitor(s.base, "127.10.0.1")
	const address = "jane.path@example.org"

	accepted := jane.subscribe(t, address)
	if want := `"status":"accepted"`; !strings.Contains(accepted.Body, want) {
		t.Fatalf("answer %s, want %s in it", accepted.Body, want)
	}
	mail := jane.mail(t, address, 1)
	if got := mail.Headers["List-Unsubscribe-Post"]; got != "List-Unsubscribe=One-Click" {
		t.Errorf("List-Unsubscribe-Post: %q", got)
	}
	confirm, unsubscribe := mail.link(t, confirmPath), mail.link(t, unsubscribePath)

	t.Log("A scanner that opens the links changes nothing.")
	for _, link := range []string{confirm, unsubscribe} {
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			if got := jane.send(t, method, link, ""); got.Status != http.StatusOK {
				t.Fatalf("%s: %d %s", method, got.Status, got.Body)
			}
		}
	}
	if got := s.status(t, address); got != "pending" {
		t.Fatalf("after the scanner: %s", got)
	}

	t.Log("The button activates; a second press changes nothing.")
	for range 2 {
		if got := jane.send(t, http.MethodPost, confirm, agree, asForm); got.Status != http.StatusOK {
			t.Fatalf("confirm: %d %s", got.Status, got.Body)
		}
		if got := s.status(t, address); got != "active" {
			t.Fatalf("after confirming: %s", got)
		}
	}

	t.Log("One-click unsubscribes with any encoding of the body, repeatedly.")
	multipart, multipartType := multipartOneClick()
	var first answer
	for i, post := range []struct{ body, kind string }{
		{multipart, multipartType},
		{"List-Unsubscribe=One-Click", asForm},
		{"", "Accept-Language: en"},
	} {
		got := jane.send(t, http.MethodPost, unsubscribe, post.body, post.kind, "Accept: application/json")
		if got.Status != http.StatusOK || got.Header.Get("Location") != "" || got.Header.Get("Set-Cookie") != "" {
			t.Fatalf("one-click %d: %d %v %s", i, got.Status, got.Header, got.Body)
		}
		if i == 0 {
			first = got
		} else if got.Body != first.Body {
			t.Errorf("one-click %d answers differently: %q, first %q", i, got.Body, first.Body)
		}
		if status := s.status(t, address); status != "unsubscribed" {
			t.Fatalf("after one-click %d: %s", i, status)
		}
	}

	t.Log("An old confirmation link is not accepted.")
	if got := jane.send(t, http.MethodPost, confirm, agree, asForm); got.Status != http.StatusNotFound {
		t.Fatalf("old confirm link: %d %s", got.Status, got.Body)
	}
	want := []string{"subscription.requested", "subscription.confirmed", "subscription.unsubscribed"}
	if got := s.ledger(t, address); !slices.Equal(got, want) {
		t.Errorf("ledger %v, want %v", got, want)
	}
	if got := jane.inbox(t, address); len(got) != 1 {
		t.Errorf("%d emails, want 1", len(got))
	}
}

// TestDecliningStopsEmail checks that no email is sent for a while after "this wasn't me".
func TestDecliningStopsEmail(t *testing.T) {
	t.Parallel()
	s := shared(t)
	stranger, victim := newVisitor(s.base, "127.10.1.1"), newVisitor(s.base, "127.10.2.1")
	const address = "victim.notme@example.org"
	stranger.subscribe(t, address)
	confirm := victim.mail(t, address, 1).link(t, confirmPath)
	if got := victim.send(t, http.MethodPost, confirm, "action=decline&email="+address, asForm); got.Status != http.StatusOK {
		t.Fatalf("not me: %d %s", got.Status, got.Body)
	}
	stranger.subscribe(t, address)
	s.drained(t)
	if got := victim.inbox(t, address); len(got) != 1 {
		t.Errorf("%d emails after \"this wasn't me\", want the first only", len(got))
	}
	if got := s.status(t, address); got != "none" {
		t.Errorf("status %s, want none", got)
	}
}
