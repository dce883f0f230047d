package loops

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"newsletter/internal/devstack"
	"newsletter/shared/config"
	"newsletter/shared/outbox"
)

const (
	jane = "jane+news@example.org"
	id   = "0199a000-0000-7000-8000-000000000001"
)

// bundle is the adapter in front of the double.
type bundle struct {
	*testing.T
	*Client
	double *devstack.Loops
}

// setup makes a bundle. The double must have nothing to complain about in the end.
func setup(t *testing.T, lists ...string) *bundle {
	t.Helper()
	t.Parallel()
	double := &devstack.Loops{}
	server := httptest.NewServer(double)
	t.Cleanup(server.Close)
	cfg := Config{APIKey: config.Seal(devstack.LoopsKey), BaseURL: server.URL, MailingLists: lists}
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, problem := range double.Problems() {
			t.Errorf("Loops would refuse: %s", problem)
		}
	})
	return &bundle{t, New(cfg, client(server)), double}
}

// client follows no redirect, as the real one does not.
func client(server *httptest.Server) *http.Client {
	c := server.Client()
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c
}

func (b *bundle) expect(want Outcome) func(Outcome, error) {
	b.Helper()
	return func(got Outcome, err error) {
		b.Helper()
		if err != nil || got != want {
			b.Errorf("outcome %q, %v; want %q", got, err, want)
		}
	}
}

// contact is the only contact.
func (b *bundle) contact() devstack.LoopsContact {
	b.Helper()
	all := b.double.Contacts()
	if len(all) != 1 {
		b.Fatalf("%d contacts: %+v", len(all), all)
	}
	return all[0]
}

// failure is what an error says, without an address or a key in its text.
func failure(t *testing.T, err error) outbox.Failure {
	t.Helper()
	f, ok := errors.AsType[*outbox.Failure](err)
	if !ok {
		t.Fatalf("%v is no *outbox.Failure", err)
	}
	for e := error(f); e != nil; e = errors.Unwrap(e) {
		if strings.Contains(e.Error(), "jane") || strings.Contains(e.Error(), devstack.LoopsKey) {
			t.Errorf("the error tells %q", e)
		}
	}
	told := *f
	told.Err = nil
	return told
}
