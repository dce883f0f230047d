// Package fullstack is the whole system as it is deployed, on this machine: the function binaries with their default limits,
// PostgreSQL behind PgBouncer where that is installed, Redis over TLS, and the doubles of the services outside.
//
// It is for commands that measure or attack the system; tests of parts have testenv.
package fullstack

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5"

	"newsletter/internal/devstack"
	"newsletter/internal/testenv"
)

// Stack is a system that runs.
type Stack struct {
	*devstack.Stack
	Database *testenv.Database
	Redis    *testenv.PrivateRedis
	Admin    *pgx.Conn // may see everything in the database; not for use by several at once

	undo []func()
}

var errNoRedis = errors.New("redis-server is missing, and without it too little is shown: make setup")

// Start starts a system with a database of a name and so many environments of each function. Stop it in the end.
func Start(ctx context.Context, name string, concurrency int) (s *Stack, err error) {
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
	s.Stack, err = devstack.Start(ctx, devstack.Options{
		Root: root, Dir: filepath.Join(dir, "stack"), Log: io.Discard, Concurrency: concurrency,
		Redis:    &devstack.Redis{URL: s.Redis.URL, CAFile: s.Redis.CAFile},
		Database: &devstack.Database{AppURL: db.AppURL, AdminURL: db.AdminURL, CAFile: db.CAFile, AppPassword: db.AppPassword},
	})
	if err != nil {
		return s, err
	}
	s.undo = append(s.undo, func() { s.Stack.Stop(context.WithoutCancel(ctx)) })
	return s, nil
}

// Stop ends everything and removes what it left.
func (s *Stack) Stop() {
	for len(s.undo) > 0 {
		last := len(s.undo) - 1
		s.undo[last]()
		s.undo = s.undo[:last]
	}
}
