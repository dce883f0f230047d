// Package lambdalocal runs real function binaries on this machine as Lambda and API Gateway would.
//
// Each function has up to N environments: processes that fetch one event at a time from a Runtime API of their own. An
// environment that dies or takes too long is replaced. HTTP requests become HTTP API events (payload format 2.0) and
// answers become HTTP again, with the gateway's own answers where the function gives none. Schedules send the events
// that EventBridge sends.
//
// Invariants: the client's address is the TCP peer's, whatever headers say; an environment never sees two events at a
// time; processes never outlive this one.
package lambdalocal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// Function is one Lambda function.
type Function struct {
	Name        string
	Binary      string
	Env         []string      // "NAME=value"; with what Lambda sets it is all that the process gets
	Concurrency int           // environments at a time; defaults to 4
	Timeout     time.Duration // of one invocation; defaults to 10 s
	MemoryMB    int           // told to the function, not enforced; defaults to 256
}

// Route sends all methods of a path to a function.
type Route struct {
	Path, Function string
}

// Schedule sends an event to a function, at once and then at a fixed rate.
type Schedule struct {
	Function string
	Every    time.Duration
	Input    []byte // defaults to EventBridge's "Scheduled Event" envelope
}

// Config is a whole local deployment.
type Config struct {
	Functions []Function
	Routes    []Route
	Schedules []Schedule
	Region    string    // defaults to "eu-central-1"
	Log       io.Writer // the functions' output, each line after the function's name; nil drops it
	// Now is the clock of events. Defaults to time.Now.
	Now func() time.Time
}

// Server runs the functions. It is safe for concurrent use.
type Server struct {
	config    Config
	functions map[string]*pool
	routes    map[string]string
	logs      *lockedWriter

	stop     context.CancelFunc
	running  context.Context
	inFlight sync.WaitGroup
	mu       sync.Mutex
	closed   bool
}

// New makes a Server; Start starts its schedules. Environments start when they are needed.
func New(cfg Config) (*Server, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Region == "" {
		cfg.Region = "eu-central-1"
	}
	s := &Server{config: cfg, functions: make(map[string]*pool), routes: make(map[string]string), logs: &lockedWriter{w: cfg.Log}}
	s.running, s.stop = context.WithCancel(context.Background())
	for _, f := range cfg.Functions {
		if f.Name == "" || f.Binary == "" {
			return nil, fmt.Errorf("function %q: name and binary are required", f.Name)
		}
		if s.functions[f.Name] != nil {
			return nil, fmt.Errorf("function %q stands there twice", f.Name)
		}
		s.functions[f.Name] = newPool(f, cfg.Region, s.logs, cfg.Now)
	}
	for _, r := range cfg.Routes {
		if s.functions[r.Function] == nil || !strings.HasPrefix(r.Path, "/") {
			return nil, fmt.Errorf("route %q: no function %q, or not a path", r.Path, r.Function)
		}
		s.routes[r.Path] = r.Function
	}
	for _, schedule := range cfg.Schedules {
		if s.functions[schedule.Function] == nil || schedule.Every <= 0 {
			return nil, fmt.Errorf("schedule of %q: no such function, or no rate", schedule.Function)
		}
	}
	return s, nil
}

// Result is what came of an invocation.
type Result struct {
	Payload []byte
	// FunctionError is "Unhandled" when the function returned an error, ended, or ran out of time; the payload is then the
	// error as Lambda shows it.
	FunctionError string
}

// ErrThrottled is returned when all environments stayed busy until ctx ended.
var ErrThrottled = errors.New("lambdalocal: all environments are busy")

// errClosed is returned after Close.
var errClosed = errors.New("lambdalocal: closed")

// Invoke sends one event to a function and waits for the result. What the function does wrong is in the Result; an error
// means that no environment took the event.
func (s *Server) Invoke(ctx context.Context, function string, payload []byte) (Result, error) {
	p := s.functions[function]
	if p == nil {
		return Result{}, fmt.Errorf("lambdalocal: no function %q", function)
	}
	if !s.begin() {
		return Result{}, errClosed
	}
	defer s.inFlight.Done()
	return p.invoke(ctx, payload)
}

func (s *Server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.inFlight.Add(1)
	return true
}

// Environments counts the living environments of a function.
func (s *Server) Environments(function string) int { return s.functions[function].count() }

// Close takes no more events, waits for those under way until ctx ends, and then ends the environments as Lambda does:
// SIGTERM, a moment to write their data, SIGKILL.
func (s *Server) Close(ctx context.Context) error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.stop()
	done := make(chan struct{})
	go func() { s.inFlight.Wait(); close(done) }()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = fmt.Errorf("events were under way: %w", ctx.Err())
	}
	var closing sync.WaitGroup
	for _, p := range s.functions {
		closing.Go(p.close)
	}
	closing.Wait()
	return err
}
