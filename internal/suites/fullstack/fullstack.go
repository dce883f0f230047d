// Package fullstack runs the whole system on this machine as it is deployed: the function binaries with their default
// limits, PostgreSQL behind PgBouncer if installed, Redis over TLS, and the fakes of external services.
//
// Commands that measure or attack the system use it; tests of parts use testenv.
package fullstack

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5"

	"newsletter/internal/fixtures/testenv"
	"newsletter/internal/local/devstack"
)

// Stack is a running system.
type Stack struct {
	*devstack.Stack
	Database *testenv.Database
	Redis    *testenv.PrivateRedis
	Admin    *pgx.Conn // the superuser; not safe for concurrent use

	undo []func()
}

var errNoRedis = errors.New("redis-server is missing; install it with make setup")

// Start starts a system with a named database and a number of environments per function. change changes how the
// functions run. The caller stops it.
func Start(ctx context.Context, name string, concurrency int, change ...func(*devstack.Options)) (s *Stack, err error) {
	s = &Stack{}
	defer func() {
		if err != nil {
			s.Stop()
		}
	}()
	dir, err := os.MkdirTemp("", "newsletter-"+name+"-")
	if err != nil {
		return s, err
	}
	s.undo = append(s.undo, func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { // the servers run as other users
		return s, err
	}
	folder := filepath.Join(dir, "servers")
	if err := os.Mkdir(folder, 0o755); err != nil {
		return s, err
	}
	servers, err := testenv.StartServersWith(ctx, folder, nil)
	if err != nil {
		return s, err
	}
	s.undo = append(s.undo, servers.Stop)
	if servers.RedisAddr == "" {
		return s, errNoRedis
	}
	if s.Redis, err = servers.NewRedis(); err != nil {
		return s, err
	}
	s.undo = append(s.undo, s.Redis.Stop)
	if s.Database, err = servers.NewDatabase(ctx, name); err != nil {
		return s, err
	}
	if s.Admin, err = pgx.Connect(ctx, s.Database.AdminURL); err != nil {
		return s, err
	}
	s.undo = append(s.undo, func() { _ = s.Admin.Close(context.WithoutCancel(ctx)) })
	root, err := devstack.Root(".")
	if err != nil {
		return s, err
	}
	db := s.Database
	options := devstack.Options{
		Root: root, Dir: filepath.Join(dir, "stack"), Log: io.Discard, Concurrency: concurrency,
		Redis:    &devstack.Redis{URL: s.Redis.URL, CAFile: s.Redis.CAFile},
		Database: &devstack.Database{AppURL: db.AppURL, AdminURL: db.AdminURL, CAFile: db.CAFile, AppPassword: db.AppPassword, KeeperPassword: db.KeeperPassword},
	}
	for _, f := range change {
		f(&options)
	}
	if s.Stack, err = devstack.Start(ctx, options); err != nil {
		return s, err
	}
	s.undo = append(s.undo, func() { s.Stack.Stop(context.WithoutCancel(ctx)) })
	return s, nil
}

// Stop ends everything and removes its files.
func (s *Stack) Stop() {
	for len(s.undo) > 0 {
		last := len(s.undo) - 1
		s.undo[last]()
		s.undo = s.undo[:last]
	}
}
