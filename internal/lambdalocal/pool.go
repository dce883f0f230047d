package lambdalocal

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"
)

// pool is the environments of one function.
type pool struct {
	function Function
	region   string
	logs     *lockedWriter
	now      func() time.Time
	slots    chan struct{}

	mu     sync.Mutex
	idle   []*environment // the last used first, as Lambda does
	all    map[*environment]struct{}
	closed bool
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
	return &pool{function: f, region: region, logs: logs, now: now, slots: make(chan struct{}, f.Concurrency),
		all: make(map[*environment]struct{})}
}

// failed is the payload of an invocation that the function did not answer.
func failed(kind, message string) Result {
	payload, _ := json.Marshal(map[string]string{"errorType": kind, "errorMessage": message}) // strings always encode
	return Result{Payload: payload, FunctionError: "Unhandled"}
}

func (p *pool) invoke(ctx context.Context, payload []byte) (Result, error) {
	select {
	case p.slots <- struct{}{}:
	case <-ctx.Done():
		return Result{}, ErrThrottled
	}
	defer func() { <-p.slots }()
	for {
		e, err := p.take()
		if err != nil {
			return failed("Runtime.ExitError", err.Error()), nil
		}
		result, alive, err := e.invoke(payload)
		p.putBack(e, alive)
		if err == nil || ctx.Err() != nil {
			return result, err
		}
	}
}

// take gives an idle environment, or starts one.
func (p *pool) take() (*environment, error) {
	p.mu.Lock()
	for len(p.idle) > 0 {
		e := p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
		if e.alive() {
			p.mu.Unlock()
			return e, nil
		}
		delete(p.all, e)
	}
	closed := p.closed
	p.mu.Unlock()
	if closed {
		return nil, errClosed
	}
	e, err := startEnvironment(p)
	if err != nil {
		return nil, fmt.Errorf("start an environment: %w", err)
	}
	p.mu.Lock()
	p.all[e] = struct{}{}
	p.mu.Unlock()
	return e, nil
}

func (p *pool) putBack(e *environment, alive bool) {
	p.mu.Lock()
	if alive && !p.closed {
		p.idle = append(p.idle, e)
		p.mu.Unlock()
		return
	}
	delete(p.all, e)
	p.mu.Unlock()
	e.kill()
}

func (p *pool) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for e := range p.all {
		if e.alive() {
			n++
		}
	}
	return n
}

func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	var all []*environment
	for e := range p.all {
		all = append(all, e)
	}
	p.idle, p.all = nil, make(map[*environment]struct{})
	p.mu.Unlock()
	var closing sync.WaitGroup
	for _, e := range all {
		closing.Go(e.stop)
	}
	closing.Wait()
}
