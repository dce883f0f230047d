package lambdalocal

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// maxPayload is Lambda's limit for a synchronous answer.
const maxPayload = 6 << 20

// handler is the Runtime API (2018-06-01) and of the Extensions API (2020-01-01) what a process needs that wants to be
// told of its end by SIGTERM.
func (e *environment) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", e.next)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", e.response)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", e.functionError)
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", e.initFailed)
	mux.HandleFunc("POST /2020-01-01/extension/register", e.register)
	mux.HandleFunc("GET /2020-01-01/extension/event/next", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	return mux
}

func (e *environment) next(w http.ResponseWriter, r *http.Request) {
	e.readyOnce.Do(func() { close(e.ready) })
	select {
	case ev := <-e.events:
		f := e.pool.function
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Lambda-Runtime-Aws-Request-Id", ev.requestID)
		h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(ev.deadline.UnixMilli(), 10))
		h.Set("Lambda-Runtime-Invoked-Function-Arn", fmt.Sprintf("arn:aws:lambda:%s:123456789012:function:%s", e.pool.region, f.Name))
		h.Set("Lambda-Runtime-Trace-Id", ev.traceID)
		_, _ = w.Write(ev.payload) // a process that went away is seen by its end
	case <-r.Context().Done():
	}
}

func (e *environment) response(w http.ResponseWriter, r *http.Request) {
	payload, err := io.ReadAll(io.LimitReader(r.Body, maxPayload+1))
	if err != nil {
		return
	}
	if len(payload) > maxPayload {
		writeAPI(w, http.StatusRequestEntityTooLarge, map[string]string{"errorType": "RequestEntityTooLarge", "errorMessage": "Exceeded maximum allowed payload size (6291556 bytes)."})
		e.finish(r.PathValue("id"), failed("Function.ResponseSizeTooLarge", fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", maxPayload)))
		return
	}
	e.answer(w, r, Result{Payload: payload})
}

func (e *environment) functionError(w http.ResponseWriter, r *http.Request) {
	payload, err := io.ReadAll(io.LimitReader(r.Body, maxPayload))
	if err != nil {
		return
	}
	e.answer(w, r, Result{Payload: payload, FunctionError: "Unhandled"})
}

func (e *environment) answer(w http.ResponseWriter, r *http.Request, result Result) {
	if !e.finish(r.PathValue("id"), result) {
		writeAPI(w, http.StatusBadRequest, map[string]string{"errorType": "InvalidRequestID", "errorMessage": "Invalid request ID"})
		return
	}
	writeAPI(w, http.StatusAccepted, map[string]string{"status": "OK"})
}

// finish hands the result to the invocation that waits for it, once.
func (e *environment) finish(requestID string, result Result) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if requestID == "" || requestID != e.current {
		return false
	}
	e.current = ""
	e.results <- reply{requestID, result} // there is room: one result for one event
	return true
}

func (e *environment) initFailed(w http.ResponseWriter, r *http.Request) {
	var failure struct{ ErrorMessage string }
	_ = json.NewDecoder(io.LimitReader(r.Body, 64<<10)).Decode(&failure) // an unreadable message is an empty one
	e.mu.Lock()
	e.initError = failure.ErrorMessage
	e.mu.Unlock()
	writeAPI(w, http.StatusAccepted, map[string]string{"status": "OK"})
}

func (e *environment) register(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Lambda-Extension-Identifier", requestID())
	writeAPI(w, http.StatusOK, map[string]string{"functionName": e.pool.function.Name, "functionVersion": "$LATEST", "handler": "bootstrap"})
}

func writeAPI(w http.ResponseWriter, status int, body map[string]string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
