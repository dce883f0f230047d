package lambdalocal

import (
	"fmt"
	"time"
)

// event is one invocation as the process gets it.
type event struct {
	requestID, traceID string
	deadline           time.Time
	payload            []byte
}

// state is the state of an environment after an event.
type state int

const (
	usable   state = iota // it may take another event
	spent                 // it has ended, or must be ended
	notTaken              // it has ended without having seen the event
)

// invoke returns one event to the process and waits for its result.
func (e *environment) invoke(payload []byte) (Result, state) {
	timeout := e.pool.function.Timeout
	ev := event{
		requestID: requestID(), traceID: traceRoot(e.pool.now()) + ";Parent=" + randomHex(8) + ";Sampled=0",
		deadline: time.Now().Add(timeout), payload: payload,
	}
	e.mu.Lock()
	e.current = ev.requestID
	e.mu.Unlock()
	expired := time.NewTimer(timeout)
	defer expired.Stop()
	select {
	case e.events <- ev:
	case <-e.process.Done():
		return e.exited(ev), notTaken
	case <-expired.C:
		return e.timedOut(ev), spent
	}
	select {
	case r := <-e.results:
		return r, usable
	case <-e.process.Done():
		select {
		case r := <-e.results: // with its last breath
			return r, spent
		default:
			return e.exited(ev), spent
		}
	case <-expired.C:
		return e.timedOut(ev), spent
	}
}

func (e *environment) exited(ev event) Result {
	return failed("Runtime.ExitError", fmt.Sprintf("RequestId: %s Error: %s", ev.requestID, e.exitReason()))
}

func (e *environment) timedOut(ev event) Result {
	return failed("Sandbox.Timedout", fmt.Sprintf("RequestId: %s Error: Task timed out after %.2f seconds",
		ev.requestID, e.pool.function.Timeout.Seconds()))
}

// finish passes a result to the waiting invocation: once, and only with the id of the current event.
func (e *environment) finish(requestID string, result Result) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if requestID == "" || requestID != e.current {
		return false
	}
	e.current = ""
	e.results <- result // there is room: one result for one event
	return true
}
