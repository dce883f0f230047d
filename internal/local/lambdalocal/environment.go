package lambdalocal

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"newsletter/internal/local/child"
)

const (
	// initTimeout is Lambda's limit for the INIT phase.
	initTimeout = 10 * time.Second
	// stopGrace is the time between SIGTERM and SIGKILL. Lambda's is 500 ms, but this machine may be busy with tests,
	// and a binary built for coverage writes its data.
	stopGrace = 5 * time.Second
)

// environment is one process and the Runtime API that it talks to.
type environment struct {
	pool    *pool
	process *child.Child
	api     *http.Server
	output  *prefixWriter
	ended   chan struct{} // closed when the process is gone and its output is written

	ready     chan struct{} // closed at the first request for an event
	readyOnce sync.Once
	events    chan event
	results   chan Result

	mu        sync.Mutex
	current   string      // the request id of the event under way
	failure   *startError // the init error that the process reported
	extension string      // the identifier of its extension, which receives SIGTERM
}

// startError is the reason why an environment did not start, in Lambda's words.
type startError struct{ kind, message string }

func (s *startError) Error() string { return s.kind + ": " + s.message }

// startEnvironment starts a process and waits until it asks for its first event.
func startEnvironment(p *pool) (*environment, error) {
	if _, err := exec.LookPath(p.function.Binary); err != nil {
		return nil, &startError{"Runtime.InvalidEntrypoint", err.Error()}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the Runtime API: %w", err)
	}
	e := &environment{pool: p, ended: make(chan struct{}), ready: make(chan struct{}), events: make(chan event),
		results: make(chan Result, 1), output: &prefixWriter{prefix: p.function.Name + " | ", to: p.logs}}
	e.api = &http.Server{Handler: e.handler(), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = e.api.Serve(listener) }() // ends with the process
	e.process, err = child.Start(child.Options{Path: p.function.Binary, Dir: filepath.Dir(p.function.Binary),
		Env: e.variables(listener.Addr().String()), Log: e.output})
	if err != nil {
		_ = e.api.Close()
		return nil, &startError{"Runtime.InvalidEntrypoint", err.Error()}
	}
	known := p.add(e)
	go e.watch()
	if !known {
		e.kill()
		return nil, errClosed
	}
	return e, e.waitReady()
}

// waitReady waits for the end of INIT and ends the process where that fails.
func (e *environment) waitReady() error {
	expired := time.NewTimer(e.pool.initTimeout)
	defer expired.Stop()
	failure := &startError{"Sandbox.Timedout", fmt.Sprintf("Init timed out after %s", e.pool.initTimeout)}
	select {
	case <-e.ready:
		return nil
	case <-e.process.Done():
		failure = &startError{"Runtime.ExitError", "Error: " + e.exitReason()}
	case <-expired.C:
	}
	e.kill()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.failure != nil {
		return e.failure
	}
	return failure
}

// watch cleans up after the process, however it ends.
func (e *environment) watch() {
	<-e.process.Done()
	_ = e.api.Close()
	e.output.flush()
	e.pool.remove(e)
	close(e.ended)
}

// variables returns the environment of the process: what Lambda sets, and the function's own. It inherits nothing.
func (e *environment) variables(api string) []string {
	f := e.pool.function
	return append([]string{
		"AWS_LAMBDA_RUNTIME_API=" + api,
		"AWS_LAMBDA_FUNCTION_NAME=" + f.Name,
		"AWS_LAMBDA_FUNCTION_VERSION=$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE=" + strconv.Itoa(f.MemoryMB),
		"AWS_LAMBDA_INITIALIZATION_TYPE=on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/" + f.Name,
		"AWS_LAMBDA_LOG_STREAM_NAME=local/[$LATEST]" + randomHex(16),
		"AWS_LAMBDA_LOG_FORMAT=JSON",
		"AWS_REGION=" + e.pool.region,
		"AWS_DEFAULT_REGION=" + e.pool.region,
		"AWS_EXECUTION_ENV=AWS_Lambda_provided.al2023",
		"_HANDLER=bootstrap",
		"LAMBDA_TASK_ROOT=" + filepath.Dir(f.Binary),
		"LAMBDA_RUNTIME_DIR=/var/runtime",
		"LANG=en_US.UTF-8",
		"PATH=/usr/local/bin:/usr/bin:/bin",
		"TZ=:UTC",
	}, f.Env...)
}

// exitReason returns how the process ended, in Lambda's words.
func (e *environment) exitReason() string {
	if err := e.process.Err(); err != nil {
		return "Runtime exited with error: " + err.Error()
	}
	return "Runtime exited without providing a reason"
}

// stop ends the process as Lambda does: with SIGTERM if it registered an extension, and with SIGKILL.
func (e *environment) stop() {
	e.mu.Lock()
	registered := e.extension != ""
	e.mu.Unlock()
	if registered {
		e.process.Stop(stopGrace)
	}
	e.kill()
}

// kill ends the process, and whatever it may have started, at once.
func (e *environment) kill() {
	select {
	case <-e.process.Done():
	default:
		_ = syscall.Kill(-e.process.PID(), syscall.SIGKILL) // its own group; gone already is as good
	}
	<-e.ended
}

func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// requestID returns a UUID in Lambda's form.
func requestID() string {
	h := randomHex(16)
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-a" + h[17:20] + "-" + h[20:]
}

// traceRoot returns a trace id: version, time and 96 random bits.
func traceRoot(now time.Time) string { return fmt.Sprintf("Root=1-%08x-%s", now.Unix(), randomHex(12)) }
