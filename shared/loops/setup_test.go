package loops

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"newsletter/internal/local/devstack"
	"newsletter/shared/config"
	"newsletter/shared/outbox"
)

const (
	jane = "jane+news@example.org"
	id   = "0199a000-0000-7000-8000-000000000001"
)

// bundle is the client with a fake of Loops.
type bundle struct {
	*testing.T
	*Client
	fake *devstack.Loops
}

// setup returns a bundle. At its end, the fake must have found no problem.
func setup(t *testing.T, lists ...string) *bundle {
	t.Helper()
	t.Parallel()
	fake := &devstack.Loops{}
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	cfg := Config{APIKey: config.Seal(devstack.LoopsKey), BaseURL: server.URL, MailingLists: lists}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, problem := range fake.Problems() {
			t.Errorf("Loops would refuse: %s", problem)
		}
	})
	return &bundle{t, New(cfg, client(server)), fake}
}

// client follows no redirects, like the real one.
func client(server *httptest.Server) *http.Client {
	c := server.Client()
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c
}

func (b *bundle) expect(want outbox.Outcome) func(outbox.Outcome, error) {
	b.Helper()
	return func(got outbox.Outcome, err error) {
		b.Helper()
		if err != nil || got != want {
			b.Errorf("outcome %q, %v; want %q", got, err, want)
		}
	}
}

// contact returns the only contact.
func (b *bundle) contact() devstack.LoopsContact {
	b.Helper()
	all := b.fake.Contacts()
	if len(all) != 1 {
		b.Fatalf("%d contacts: %+v", len(all), all)
	}
	return all[0]
}

// failure returns an error as a Failure, and checks that its text contains neither an address nor the key.
func failure(t *testing.T, err error) outbox.Failure {
	t.Helper()
	f, ok := errors.AsType[*outbox.Failure](err)
	if !ok {
		t.Fatalf("%v is no *outbox.Failure", err)
	}
	for e := error(f); e != nil; e = errors.Unwrap(e) {
		if strings.Contains(e.Error(), "jane") || strings.Contains(e.Error(), devstack.LoopsKey) {
			t.Errorf("the error contains %q", e)
		}
	}
	told := *f
	told.Err = nil
	return told
}
