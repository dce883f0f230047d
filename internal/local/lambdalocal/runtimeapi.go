package lambdalocal

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

// maxPayload is Lambda's limit for a synchronous event and its answer: 6 MB and some room for the envelope.
const maxPayload = 6<<20 + 100

// handler serves the Runtime API (2018-06-01), and the part of the Extensions API (2020-01-01) that a process needs to
// receive SIGTERM.
func (e *environment) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", e.next)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", e.response)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", e.functionError)
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", e.initFailed)
	mux.HandleFunc("POST /2020-01-01/extension/register", e.register)
	mux.HandleFunc("GET /2020-01-01/extension/event/next", e.nextExtensionEvent)
	return mux
}

func (e *environment) next(w http.ResponseWriter, r *http.Request) {
	e.readyOnce.Do(func() { close(e.ready) })
	select {
	case ev := <-e.events:
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Lambda-Runtime-Aws-Request-Id", ev.requestID)
		h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(ev.deadline.UnixMilli(), 10))
		h.Set("Lambda-Runtime-Invoked-Function-Arn",
			"arn:aws:lambda:"+e.pool.region+":"+account+":function:"+e.pool.function.Name)
		h.Set("Lambda-Runtime-Trace-Id", ev.traceID)
		_, _ = w.Write(ev.payload) // the end of the process is detected elsewhere
	case <-r.Context().Done():
	}
}

func (e *environment) response(w http.ResponseWriter, r *http.Request) {
	payload, err := io.ReadAll(io.LimitReader(r.Body, maxPayload+1))
	if err != nil {
		return // the process has ended in the middle
	}
	if len(payload) > maxPayload {
		_, _ = io.Copy(io.Discard, r.Body) // so that the process reads the refusal
		e.finish(r.PathValue("id"), failed("Function.ResponseSizeTooLarge",
			fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", maxPayload)))
		refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge",
			fmt.Sprintf("Exceeded maximum allowed payload size (%d bytes).", maxPayload))
		return
	}
	e.accept(w, r, Result{Payload: payload})
}

func (e *environment) functionError(w http.ResponseWriter, r *http.Request) {
	payload, err := io.ReadAll(io.LimitReader(r.Body, maxPayload))
	if err != nil {
		return
	}
	e.accept(w, r, Result{Payload: payload, FunctionError: "Unhandled"})
}

func (e *environment) accept(w http.ResponseWriter, r *http.Request, result Result) {
	if !e.finish(r.PathValue("id"), result) {
		refuse(w, http.StatusBadRequest, "InvalidRequestID", "Invalid request ID")
		return
	}
	writeAPI(w, http.StatusAccepted, map[string]string{"status": "OK"})
}

func (e *environment) initFailed(w http.ResponseWriter, r *http.Request) {
	said := struct{ ErrorType, ErrorMessage string }{ErrorType: "Runtime.Unknown"}
	_ = json.NewDecoder(io.LimitReader(r.Body, 64<<10)).Decode(&said) // an unreadable message is an empty one
	e.mu.Lock()
	e.failure = &startError{said.ErrorType, said.ErrorMessage}
	e.mu.Unlock()
	writeAPI(w, http.StatusAccepted, map[string]string{"status": "OK"})
}

// register records that the process wants SIGTERM. Events for extensions are not supported.
func (e *environment) register(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Lambda-Extension-Name") == "" {
		refuse(w, http.StatusForbidden, "Extension.InvalidExtensionName", "Empty extension name")
		return
	}
	id := requestID()
	e.mu.Lock()
	e.extension = id
	e.mu.Unlock()
	w.Header().Set("Lambda-Extension-Identifier", id)
	writeAPI(w, http.StatusOK, map[string]string{
		"functionName": e.pool.function.Name, "functionVersion": "$LATEST", "handler": "bootstrap"})
}

// nextExtensionEvent waits forever, because the extension is registered for no event.
func (e *environment) nextExtensionEvent(w http.ResponseWriter, r *http.Request) {
	e.mu.Lock()
	known := e.extension != "" && r.Header.Get("Lambda-Extension-Identifier") == e.extension
	e.mu.Unlock()
	if !known {
		refuse(w, http.StatusForbidden, "Extension.InvalidExtensionIdentifier", "Invalid extension identifier")
		return
	}
	<-r.Context().Done()
}

func refuse(w http.ResponseWriter, status int, kind, message string) {
	writeAPI(w, status, map[string]string{"errorType": kind, "errorMessage": message})
}

func writeAPI(w http.ResponseWriter, status int, body map[string]string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the end of the process is detected elsewhere
}
