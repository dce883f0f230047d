package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"testing"

	"newsletter/internal/fixtures/testenv"
	"newsletter/internal/local/devstack"
)

// sharedStack is one system for all tests that only use addresses of their own.
var sharedStack struct {
	once  sync.Once
	stack *stack
	stop  func()
	err   error
}

// shared returns the shared system. It outlives the test that starts it, so it does not use that test's cleanup.
func shared(t testing.TB) *stack {
	t.Helper()
	sharedStack.once.Do(func() { sharedStack.stack, sharedStack.stop, sharedStack.err = startShared(t) })
	if sharedStack.err != nil {
		t.Fatal(sharedStack.err)
	}
	if sharedStack.stack == nil {
		t.Skip("the shared system did not start; see the first test that uses it")
	}
	return sharedStack.stack
}

func startShared(t testing.TB) (*stack, func(), error) {
	owner := &ownerTB{TB: t}
	db := testenv.PgBouncer(owner)
	redis := testenv.Redis(owner)
	built, err := binaries()
	if err != nil {
		return nil, nil, err
	}
	dir, err := os.MkdirTemp("", "newsletter-e2e-stack-")
	if err != nil {
		return nil, nil, err
	}
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "<!doctype html><title>The owner's site</title>")
	}))
	s, err := devstack.Start(context.Background(), devstack.Options{
		Root: root, Dir: dir, Binaries: built, Redis: &devstack.Redis{URL: redis.URL, CAFile: redis.CAFile},
		Variables: withoutBursts(with(generous, "SITE_ALLOWED_ORIGINS", site.URL)),
		Database:  &devstack.Database{AppURL: db.AppURL, AdminURL: db.AdminURL, CAFile: db.CAFile, AppPassword: db.AppPassword, KeeperPassword: db.KeeperPassword},
	})
	if err != nil {
		return nil, nil, err
	}
	stop := func() {
		site.Close()
		owner.cleanUp()
		_ = os.RemoveAll(dir)
	}
	return &stack{Stack: s, base: s.BaseURL, site: site.URL, db: db}, stop, nil
}

func closeShared() {
	if sharedStack.stop == nil {
		return
	}
	for _, problem := range sharedStack.stack.end() {
		fmt.Println("the shared system:", problem)
		defer os.Exit(1)
	}
	sharedStack.stop()
}

// An ownerTB defers cleanups until the end of all tests.
type ownerTB struct {
	testing.TB
	cleanups []func()
}

func (o *ownerTB) Cleanup(f func()) { o.cleanups = append(o.cleanups, f) }

func (o *ownerTB) Failed() bool { return false }

func (o *ownerTB) Context() context.Context { return context.Background() }

func (o *ownerTB) cleanUp() {
	for i := len(o.cleanups) - 1; i >= 0; i-- {
		o.cleanups[i]()
	}
}
