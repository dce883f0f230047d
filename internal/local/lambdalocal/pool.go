package lambdalocal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"
)

// maxBackoff bounds the pause after an environment that could not start, so that a repaired function is soon back.
const maxBackoff = 5 * time.Second

// pool is the environments of one function.
type pool struct {
	function    Function
	region      string
	logs        *lockedWriter
	now         func() time.Time
	initTimeout time.Duration
	slots       chan struct{} // one for each environment that may exist; who waits longest is next
	closing     chan struct{}

	mu       sync.Mutex
	idle     []*environment // the last used last: it is the next, as on Lambda
	all      map[*environment]struct{}
	closed   bool
	failures int       // starts that failed in a row
	retryAt  time.Time // no start before it
	failure  error     // why the last start failed
	kills    int       // calls of kill
}

func newPool(f Function, region string, logs *lockedWriter, now func() time.Time) *pool {
	if f.Concurrency == 0 {
		f.Concurrency = 4
	}
	if f.Timeout == 0 {
		f.Timeout = 10 * time.Second
	}
	if f.MemoryMB == 0 {
		f.MemoryMB = 256
	}
	return &pool{function: f, region: region, logs: logs, now: now, initTimeout: initTimeout,
		slots: make(chan struct{}, f.Concurrency), closing: make(chan struct{}), all: make(map[*environment]struct{})}
}

// acquire waits for the right to use or start an environment.
func (p *pool) acquire(ctx context.Context) error {
	select {
	case p.slots <- struct{}{}:
		return nil
	case <-p.closing:
		return errClosed
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", errThrottled, ctx.Err())
	}
}

func (p *pool) release() { <-p.slots }

// invoke returns the event to an environment and puts one outcome into done. It returns when the environment is ready
// for another event, or gone.
func (p *pool) invoke(payload []byte, done chan<- outcome) {
	for {
		e, fresh, err := p.take()
		if err != nil {
			done <- noEnvironment(err)
			return
		}
		result, state := e.invoke(payload)
		switch {
		case state == notTaken && !fresh:
			e.stop() // it died unseen while it was idle; the event was not its to lose
			continue
		case state == usable:
			p.putBack(e) // before its caller can send the next event
			done <- outcome{result: result}
		default:
			done <- outcome{result: result}
			e.stop()
		}
		return
	}
}

// noEnvironment returns the outcome of an event without an environment.
func noEnvironment(err error) outcome {
	var failure *startError
	if errors.As(err, &failure) {
		return outcome{result: failed(failure.kind, failure.message)}
	}
	return outcome{err: err}
}

// take returns an idle environment, or starts one.
func (p *pool) take() (e *environment, fresh bool, err error) {
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		e, p.idle = p.idle[n-1], p.idle[:n-1]
	}
	closed, waiting, failure, kills := p.closed, time.Now().Before(p.retryAt), p.failure, p.kills
	p.mu.Unlock()
	switch {
	case e != nil:
		return e, false, nil
	case closed:
		return nil, false, errClosed
	case waiting:
		return nil, false, failure
	}
	if e, err = startEnvironment(p); err != nil {
		return nil, false, p.startFailed(err, kills)
	}
	p.mu.Lock()
	p.failures, p.retryAt = 0, time.Time{}
	p.mu.Unlock()
	return e, true, nil
}

// startFailed makes the next start wait, longer each time, so that a function that cannot start does not take the whole
// machine for trying. kills is p.kills before the start: one that a fault ended says nothing about the next.
func (p *pool) startFailed(err error, kills int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return errClosed
	case p.kills != kills:
		return err
	}
	p.failures++
	pause := min(100*time.Millisecond<<min(p.failures-1, 10), maxBackoff)
	p.failure, p.retryAt = err, time.Now().Add(pause)
	p.logs.writeLine("lambda | ", fmt.Appendf(nil, "%s did not start, next try after %s: %v", p.function.Name, pause, err))
	return err
}

// add takes a new environment in, unless the pool has been closed.
func (p *pool) add(e *environment) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	p.all[e] = struct{}{}
	return true
}

// remove forgets an environment that has ended.
func (p *pool) remove(e *environment) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.all, e)
	p.idle = slices.DeleteFunc(p.idle, func(other *environment) bool { return other == e })
}

func (p *pool) putBack(e *environment) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, lives := p.all[e]; lives && !p.closed {
		p.idle = append(p.idle, e)
	}
}

func (p *pool) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.all)
}

// close ends all environments and waits for their last words. It may be called again.
func (p *pool) close() {
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		close(p.closing)
	}
	var all []*environment
	for e := range p.all {
		all = append(all, e)
	}
	p.idle = nil
	p.mu.Unlock()
	var closing sync.WaitGroup
	for _, e := range all {
		closing.Go(e.stop)
	}
	closing.Wait()
}

// kill ends the processes that there are. New events start new ones.
func (p *pool) kill() int {
	p.mu.Lock()
	p.kills++
	all := slices.Collect(maps.Keys(p.all))
	p.mu.Unlock()
	var killing sync.WaitGroup
	for _, e := range all {
		killing.Go(e.kill)
	}
	killing.Wait()
	return len(all)
}

// failed returns the result of an invocation that the function did not answer.
func failed(kind, message string) Result {
	payload, _ := json.Marshal(map[string]string{"errorType": kind, "errorMessage": message}) // strings always encode
	return Result{Payload: payload, FunctionError: "Unhandled"}
}
