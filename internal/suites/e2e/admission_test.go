package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"newsletter/internal/local/devstack"
	"newsletter/shared/config"
	"newsletter/shared/pseudonym"
	"newsletter/shared/subscription"
)

// owner opens the system's database as the operator's tool does. The key is arbitrary, because no pseudonym is read.
func owner(t *testing.T, s *stack) *subscription.Store {
	t.Helper()
	db := s.db.Pool(t)
	key, err := pseudonym.NewKey(pseudonym.Config{Pepper: config.Seal(strings.Repeat("QUJD", 11))})
	if err != nil {
		t.Fatal(err)
	}
	return subscription.NewStore(db, key, time.Now)
}

// TestCaptchaAndHolds covers sign-ups with a CAPTCHA, and a held sign-up that the owner releases.
func TestCaptchaAndHolds(t *testing.T) {
	t.Parallel()
	s := start(t, devstack.Options{Variables: map[string]string{
		"CAPTCHA_PROVIDER": "turnstile", "CAPTCHA_HOSTNAMES": "www.example.org", "SIGNUP_DISPOSABLE_DOMAINS": "hold", "DELIVERY_LINGER": "0s",
	}, NoSchedules: true})
	visitor := newVisitor(s.base, "127.9.0.1")
	signUp := func(email, token string) answer {
		body := `{"email":"` + email + `"}`
		if token != "" {
			body = `{"email":"` + email + `","captcha_token":"` + token + `"}`
		}
		return visitor.send(t, http.MethodPost, subscribePath, body, asJSON)
	}
	solved := func() string { return s.Fakes.Captcha.Solve(devstack.SolvedChallenge{Hostname: "www.example.org"}) }
	if got := signUp("jane@example.org", ""); got.Status != http.StatusUnprocessableEntity || !strings.Contains(got.Body, "#/captcha_token") {
		t.Errorf("without an answer: %d %s", got.Status, got.Body)
	}
	token := solved()
	for i, want := range []int{http.StatusAccepted, http.StatusUnprocessableEntity} {
		if got := signUp("jane@example.org", token); got.Status != want {
			t.Errorf("time %d: %d %s", i, got.Status, got.Body)
		}
	}
	if got := signUp("joe@yopmail.com", solved()); got.Status != http.StatusAccepted {
		t.Errorf("a disposable address: %d %s", got.Status, got.Body)
	}
	s.deliver(t)
	visitor.mail(t, "jane@example.org", 1)
	if emails := visitor.inbox(t, "joe@yopmail.com"); len(emails) != 0 {
		t.Errorf("a held email was sent: %+v", emails)
	}

	store := owner(t, s)
	holds, err := store.ListHeld(t.Context(), 10)
	if err != nil || len(holds) != 1 || holds[0].Domain != "yopmail.com" {
		t.Fatalf("%+v, %v", holds, err)
	}
	if err := store.ReleaseHeld(t.Context(), holds[0].ID, subscription.Visit{Channel: "tool"}); err != nil {
		t.Fatal(err)
	}
	s.deliver(t)
	visitor.mail(t, "joe@yopmail.com", 1)
	if problems := s.Fakes.Captcha.Problems(); len(problems) > 0 || len(s.Fakes.Captcha.Requests()) != 3 {
		t.Errorf("asked %d times; %v", len(s.Fakes.Captcha.Requests()), problems)
	}
}
