// Package devstack is the whole system on this machine: the real function binaries behind a local Lambda and API
// Gateway, a real PostgreSQL, Redis over TLS, and fakes of the services outside that check what they are sent.
//
// What a function gets (variables, time, memory, routes, schedules) is read from template.yaml, so that what runs here
// is what is deployed. Everything binds 127.0.0.1; keys are random for each data folder; every process ends with this
// one.
package devstack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"newsletter/internal/local/lambdalocal"
	"newsletter/internal/local/pgserver"
	"newsletter/internal/local/pki"
	"newsletter/internal/local/samtemplate"
	"newsletter/shared/httpapi"
)

// Options describe a stack. The zero value, with Root and Dir, is what `make dev` runs.
type Options struct {
	Root string // the repository
	Dir  string // the data folder; made if it is missing
	Port int    // 0 takes a free one
	Log  io.Writer
	// Database is an empty or migrated database to use in place of one of the stack's own.
	Database *Database
	// Redis is a server to use in place of the embedded one.
	Redis *Redis
	// Binaries is a folder of built functions; empty builds them into Dir.
	Binaries string
	// Concurrency is the number of environments of each function. Defaults to 4.
	Concurrency int
	// Variables replace or add to what every function gets; an empty value takes one away.
	Variables map[string]string
	// MappingKey serves the API below a base path, such as "news", too; links in emails lead there. Empty for none.
	MappingKey string
	// NoSchedules leaves the schedules out; the functions run only when invoked.
	NoSchedules bool
	// Now is the clock of the events. Defaults to time.Now.
	Now func() time.Time
}

// Database is how the functions and migrate reach PostgreSQL.
type Database struct {
	AppURL, AdminURL, CAFile    string
	AppPassword, KeeperPassword string
}

// Redis is how the functions reach Redis.
type Redis struct {
	URL, CAFile string
}

// Stack is a running system.
type Stack struct {
	BaseURL  string
	Database Database
	Redis    Redis
	Fakes    *Fakes
	Lambda   *lambdalocal.Server

	options  Options
	template *samtemplate.Template
	values   map[string]string
	caFile   string // the authorities of Database and Redis
	server   *http.Server
	closers  []func() // run in reverse
}

// Start starts everything and migrates the database. It serves when it returns.
func Start(ctx context.Context, o Options) (*Stack, error) {
	s := &Stack{options: o, Fakes: newFakes()}
	if err := s.start(ctx); err != nil {
		s.Stop(ctx)
		return nil, err
	}
	return s, nil
}

func (s *Stack) start(ctx context.Context) (err error) {
	if s.options.Dir, err = filepath.Abs(s.options.Dir); err != nil {
		return err
	}
	if err := os.MkdirAll(s.options.Dir, 0o755); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	unlock, err := lockFolder(s.options.Dir)
	if err != nil {
		return err
	}
	s.onStop(unlock)
	if s.template, err = samtemplate.Load(filepath.Join(s.options.Root, "template.yaml")); err != nil {
		return err
	}
	if err := s.build(ctx); err != nil {
		return err
	}
	files, err := pki.Ensure(filepath.Join(s.options.Dir, "pki"))
	if err != nil {
		return err
	}
	if err := s.startData(ctx, files); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", s.options.Port))
	if err != nil {
		return fmt.Errorf("the port is taken; choose another one by PORT: %w", err)
	}
	s.BaseURL = "http://" + listener.Addr().String()
	if err := s.startFunctions(ctx); err != nil {
		_ = listener.Close()
		return err
	}
	// net/http logs visitors who disconnect, which is of no interest.
	s.server = &http.Server{Handler: s.handler(), ReadHeaderTimeout: 10 * time.Second, ErrorLog: log.New(io.Discard, "", 0)}
	s.onStop(func() { _ = s.server.Close() })
	go func() { _ = s.server.Serve(listener) }() // ends with Close
	if !s.options.NoSchedules {
		s.Lambda.Start(context.WithoutCancel(ctx))
	}
	s.Fakes.SES.publishTo(s.Fakes.EmailEvents)
	feeding, stopFeeding := context.WithCancel(context.WithoutCancel(ctx))
	s.onStop(stopFeeding)
	go s.Fakes.SQS.feed(feeding, s.Lambda, "unsubscribe")
	go s.Fakes.EmailEvents.feed(feeding, s.Lambda, "engagement")
	go s.Fakes.Loops.sendEvents(feeding, s.BaseURL+httpapi.LoopsPath)
	return s.writeState()
}

// startData starts PostgreSQL and Redis, or takes those that are given.
func (s *Stack) startData(ctx context.Context, files pki.Files) (err error) {
	if s.options.Database == nil {
		postgres, err := pgserver.Start(ctx, pgserver.Options{Dir: filepath.Join(s.options.Dir, "postgres"), TLS: files})
		if err != nil {
			return err
		}
		s.onStop(postgres.Stop)
		database, err := createDatabase(ctx, postgres, s.options.Dir, files.CA)
		if err != nil {
			return err
		}
		s.options.Database = database
	}
	if s.options.Redis == nil {
		redis, stop, err := embeddedRedis(files)
		if err != nil {
			return err
		}
		s.onStop(stop)
		s.options.Redis = redis
	}
	s.Database, s.Redis = *s.options.Database, *s.options.Redis
	s.caFile, err = joinAuthorities(s.options.Dir, s.Database.CAFile, s.Redis.CAFile)
	return err
}

func (s *Stack) startFunctions(ctx context.Context) error {
	doubles, err := s.Fakes.serve()
	if err != nil {
		return err
	}
	s.onStop(s.Fakes.close)
	keys, err := loadKeys(s.options.Dir)
	if err != nil {
		return err
	}
	s.values = s.variables(keys, doubles)
	cfg, err := s.lambdaConfig()
	if err != nil {
		return err
	}
	if s.Lambda, err = lambdalocal.New(cfg); err != nil {
		return err
	}
	s.onStop(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = s.Lambda.Close(ctx) // deliver may linger; it is ended
	})
	result, err := s.Lambda.Invoke(ctx, "migrate", []byte(`{"command":"up"}`))
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if result.FunctionError != "" {
		return fmt.Errorf("migrate: %s", result.Payload)
	}
	return nil
}

func (s *Stack) onStop(f func()) { s.closers = append(s.closers, f) }

// Stop ends everything that Start started.
func (s *Stack) Stop(context.Context) {
	for i := len(s.closers) - 1; i >= 0; i-- {
		s.closers[i]()
	}
	s.closers = nil
	s.recordJournal()
}

// Psql returns the command that opens the database.
func (s *Stack) Psql() string { return "psql '" + s.Database.AdminURL + "'" }

// Root finds the repository above a folder.
func Root(from string) (string, error) {
	dir, err := filepath.Abs(from)
	if err != nil {
		return "", err
	}
	for {
		if content, err := os.ReadFile(filepath.Join(dir, "go.mod")); err == nil && strings.HasPrefix(string(content), "module newsletter\n") {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("this is not inside the newsletter repository")
		}
		dir = parent
	}
}
