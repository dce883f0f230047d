package lambdalocal

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"newsletter/internal/child"
)

const (
	// initTimeout is Lambda's limit for the INIT phase.
	initTimeout = 10 * time.Second
	// stopGrace is what an environment gets between SIGTERM and SIGKILL. Lambda gives 500 ms; here the machine may be busy
	// with tests, and a binary built for coverage writes its data.
	stopGrace = 5 * time.Second
)

// environment is one process and the Runtime API that it talks to.
type environment struct {
	pool    *pool
	process *child.Child
	api     *http.Server
	output  *prefixWriter

	ready     chan struct{} // closed at the first request for an event
	readyOnce sync.Once
	events    chan event
	results   chan reply

	mu        sync.Mutex
	current   string // the request id of the event under way
	initError string
}

// event is one invocation as the process gets it.
type event struct {
	requestID, traceID string
	deadline           time.Time
	payload            []byte
}

// reply is what the process says of an event.
type reply struct {
	requestID string
	result    Result
}

// startEnvironment starts a process and waits until it asks for its first event.
func startEnvironment(p *pool) (*environment, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	e := &environment{pool: p, ready: make(chan struct{}), events: make(chan event), results: make(chan reply, 1),
		output: &prefixWriter{prefix: p.function.Name + " | ", to: p.logs}}
	e.api = &http.Server{Handler: e.handler(), ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = e.api.Serve(listener) }() // ends with kill
	e.process, err = child.Start(child.Options{Path: p.function.Binary, Env: e.variables(listener.Addr().String()), Log: e.output})
	if err != nil {
		_ = e.api.Close()
		return nil, err
	}
	select {
	case <-e.ready:
		return e, nil
	case <-e.process.Done():
		err = errors.New("the process ended before it asked for an event")
	case <-time.After(initTimeout):
		err = fmt.Errorf("the process did not ask for an event within %s", initTimeout)
	}
	if message := e.failure(); message != "" {
		err = fmt.Errorf("%w: %s", err, message)
	}
	e.kill()
	return nil, err
}

// variables is the environment of the process: what Lambda sets, and the function's own. Nothing of ours is inherited.
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
		"LANG=en_US.UTF-8",
		"PATH=/usr/local/bin:/usr/bin:/bin",
		"TZ=:UTC",
	}, f.Env...)
}

// errNotTaken says that the process ended before it fetched the event, which another environment may have.
var errNotTaken = errors.New("the environment ended before it took the event")

// invoke sends one event and waits for its result. alive says whether the environment may take another.
func (e *environment) invoke(payload []byte) (result Result, alive bool, err error) {
	timeout := e.pool.function.Timeout
	ev := event{requestID: requestID(), traceID: traceID(e.pool.now()), deadline: time.Now().Add(timeout), payload: payload}
	e.mu.Lock()
	e.current = ev.requestID
	e.mu.Unlock()
	expired := time.NewTimer(timeout)
	defer expired.Stop()
	select {
	case e.events <- ev:
	case <-e.process.Done():
		return Result{}, false, errNotTaken
	case <-expired.C:
		return e.timedOut(ev), false, nil
	}
	for {
		select {
		case r := <-e.results:
			if r.requestID == ev.requestID {
				return r.result, true, nil
			}
		case <-e.process.Done():
			select { // it may have answered with its last breath
			case r := <-e.results:
				if r.requestID == ev.requestID {
					return r.result, false, nil
				}
			default:
			}
			return e.exited(ev), false, nil
		case <-expired.C:
			return e.timedOut(ev), false, nil
		}
	}
}

func (e *environment) exited(ev event) Result {
	status := "exit status 0"
	if err := e.process.Err(); err != nil {
		status = err.Error()
	}
	return failed("Runtime.ExitError", fmt.Sprintf("RequestId: %s Error: Runtime exited with error: %s", ev.requestID, status))
}

func (e *environment) timedOut(ev event) Result {
	return failed("Sandbox.Timedout", fmt.Sprintf("RequestId: %s Error: Task timed out after %.2f seconds", ev.requestID, e.pool.function.Timeout.Seconds()))
}

func (e *environment) alive() bool {
	select {
	case <-e.process.Done():
		return false
	default:
		return true
	}
}

// stop ends the process as Lambda does at the end of an environment's life.
func (e *environment) stop() {
	e.process.Stop(stopGrace)
	_ = e.api.Close()
	e.output.flush()
}

// kill ends the process at once.
func (e *environment) kill() {
	e.process.Stop(0)
	_ = e.api.Close()
	e.output.flush()
}

func (e *environment) failure() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.initError
}

func randomHex(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// requestID is a UUID in the form of Lambda's.
func requestID() string {
	h := randomHex(16)
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-a" + h[17:20] + "-" + h[20:]
}

// traceID is the value of the X-Ray header: version, time and 96 random bits.
func traceID(now time.Time) string {
	return fmt.Sprintf("Root=1-%08x-%s;Parent=%s;Sampled=0", now.Unix(), randomHex(12), randomHex(8))
}
