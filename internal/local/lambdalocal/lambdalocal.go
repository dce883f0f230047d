// Package lambdalocal runs real function binaries on this machine as Lambda and API Gateway would.
//
// Each function has up to N environments: processes that fetch one event at a time from a Runtime API of their own.
// They start when they are needed, and one that dies or takes too long is replaced. HTTP requests become HTTP API
// events (payload format 2.0) and answers become HTTP again, with the gateway's own answers where the function has
// none. Schedules send the events that EventBridge sends.
//
// Invariants: the client's address is the TCP peer's, whatever headers say; an environment never sees two events at a
// time; processes never outlive this one; after Close nothing runs and nothing is logged.
//
// Where it differs from AWS, for the sake of one machine: an event waits for one of the N environments instead of being
// throttled at once; the memory limit is set but not enforced; a scheduled event is not retried; a payload that is not
// JSON reaches the function, so that its own answer to it can be tested.
package lambdalocal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// account is the AWS account in ARNs and events, as in AWS's own examples.
const account = "123456789012"

// Function is one Lambda function.
type Function struct {
	Name        string
	Binary      string        // its folder is the process's working folder, as /var/task is
	Env         []string      // "NAME=value"; with what Lambda sets it is all that the process gets
	Concurrency int           // environments at a time; defaults to 4
	Timeout     time.Duration // of one invocation; defaults to 10 s
	MemoryMB    int           // set, but not enforced; defaults to 256
}

// Route sends all methods of a path to a function.
type Route struct {
	Path, Function string
}

// Schedule sends an event to a function, at once and then at a fixed rate.
type Schedule struct {
	Function string
	Every    time.Duration
	Input    []byte // empty sends EventBridge's "Scheduled Event" envelope
}

// Config is a whole local deployment.
type Config struct {
	Functions []Function
	Routes    []Route
	Schedules []Schedule
	// MappingKey is that of an API mapping of the gateway's domain, such as "news": the routes are below /news, too.
	// Defaults to none: they are at the root alone.
	MappingKey string
	Region     string    // defaults to "eu-central-1"
	Log        io.Writer // the functions' output, each line after the function's name; nil drops it
	// Now is the clock of events. Defaults to time.Now.
	Now func() time.Time
}

// Server runs the functions. It is safe for concurrent use.
type Server struct {
	config         Config
	functions      map[string]*pool
	routes         map[string]string
	logs           *lockedWriter
	gatewayTimeout time.Duration

	running   context.Context
	stop      context.CancelFunc
	schedules sync.WaitGroup
	inFlight  sync.WaitGroup
	mu        sync.Mutex
	closed    bool
}

// New returns a Server; Start starts its schedules. Environments start when they are needed.
func New(cfg Config) (*Server, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Region == "" {
		cfg.Region = "eu-central-1"
	}
	s := &Server{config: cfg, functions: make(map[string]*pool), routes: make(map[string]string),
		logs: &lockedWriter{w: cfg.Log}, gatewayTimeout: gatewayTimeout}
	s.running, s.stop = context.WithCancel(context.Background())
	for _, f := range cfg.Functions {
		if f.Name == "" || f.Binary == "" {
			return nil, fmt.Errorf("function %q: name and binary are required", f.Name)
		}
		if s.functions[f.Name] != nil {
			return nil, fmt.Errorf("function %q is duplicated", f.Name)
		}
		var err error
		if f.Binary, err = filepath.Abs(f.Binary); err != nil {
			return nil, fmt.Errorf("find the binary of %q: %w", f.Name, err)
		}
		s.functions[f.Name] = newPool(f, cfg.Region, s.logs, cfg.Now)
	}
	for _, r := range cfg.Routes {
		if s.functions[r.Function] == nil || !strings.HasPrefix(r.Path, "/") || s.routes[r.Path] != "" {
			return nil, fmt.Errorf("route %q to %q: no such function, not a path, or there twice", r.Path, r.Function)
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

// Result is the result of an invocation.
type Result struct {
	Payload []byte
	// FunctionError is "Unhandled" when the function returned an error, ended, or ran out of time; the payload is then
	// the error as Lambda shows it.
	FunctionError string
}

var (
	// errThrottled is returned when all environments stayed busy until ctx ended.
	errThrottled = errors.New("all environments are busy")
	// errTooLarge is returned for a payload above Lambda's limit of 6 MB.
	errTooLarge = fmt.Errorf("the payload is larger than %d bytes", maxPayload)
	// errClosed is returned after Close.
	errClosed = errors.New("the local functions have been stopped")
)

// Invoke sends one event to a function and waits for the result. What the function does wrong is in the Result; an
// error means that there is none: no environment took the event, or ctx ended first. Then the function goes on by
// itself, as on AWS.
func (s *Server) Invoke(ctx context.Context, function string, payload []byte) (Result, error) {
	done, err := s.send(ctx, function, payload)
	if err != nil {
		return Result{}, err
	}
	select {
	case o := <-done:
		return o.result, o.err
	case <-ctx.Done():
		return Result{}, fmt.Errorf("wait for %s: %w", function, ctx.Err())
	}
}

// outcome is a Result or the reason why there is none.
type outcome struct {
	result Result
	err    error
}

// send waits until ctx ends for an environment that is free, and then sends the event to it. The channel holds one
// outcome.
func (s *Server) send(ctx context.Context, function string, payload []byte) (<-chan outcome, error) {
	p := s.functions[function]
	if p == nil {
		return nil, fmt.Errorf("there is no function %q", function)
	}
	if len(payload) > maxPayload {
		return nil, errTooLarge
	}
	if !s.begin() {
		return nil, errClosed
	}
	if err := p.acquire(ctx); err != nil {
		s.inFlight.Done()
		return nil, fmt.Errorf("invoke %s: %w", function, err)
	}
	done := make(chan outcome, 1)
	go func() {
		defer s.inFlight.Done()
		defer p.release()
		p.invoke(payload, done)
	}()
	return done, nil
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
func (s *Server) Environments(function string) int {
	if p := s.functions[function]; p != nil {
		return p.count()
	}
	return 0
}

// Kill kills all environments of a function immediately, as a fault would, and returns their number.
func (s *Server) Kill(function string) int {
	p := s.functions[function]
	if p == nil {
		return 0
	}
	return p.kill()
}

// Close takes no more events, waits for those under way until ctx ends, and then ends the environments as Lambda does:
// SIGTERM for those that registered for it, a moment to write their data, SIGKILL. The error means that events were cut
// off. It may be called again.
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
		err = fmt.Errorf("wait for the events under way: %w", ctx.Err())
	}
	var closing sync.WaitGroup
	for _, p := range s.functions {
		closing.Go(p.close)
	}
	closing.Wait()
	<-done // those that were cut off end with their process
	s.schedules.Wait()
	return err
}
