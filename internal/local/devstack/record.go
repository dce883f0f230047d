package devstack

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"

	"newsletter/internal/fixtures/canary"
)

// What the functions tell anybody passes one of these parts, and is written down for the canary where tests ask for it.

// recordRequest writes down what a service was sent. The place is the path; the query is part of the text.
func recordRequest(service canary.Sink, r *http.Request, body []byte) {
	if canary.Recording() {
		canary.Record(service, r.Method+" "+r.URL.Path, r.URL.RequestURI()+"\n"+canary.Header(r.Header)+"\n"+string(body))
	}
}

// recordedLog records the log lines of the functions before writing them to w, which may be nil.
type recordedLog struct{ w io.Writer }

// Write implements io.Writer. It gets one line at a time.
func (l recordedLog) Write(line []byte) (int, error) {
	sink := canary.Log
	if bytes.Contains(line, []byte(`"_aws":`)) {
		sink = canary.Metrics
	}
	function, _, _ := bytes.Cut(line, []byte(" | "))
	canary.Record(sink, string(function), string(line))
	if l.w == nil {
		return len(line), nil
	}
	return l.w.Write(line)
}

// recordResponses records the responses of a handler.
func recordResponses(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !canary.Recording() {
			h.ServeHTTP(w, r)
			return
		}
		recorded := &recordedResponse{ResponseWriter: w, status: http.StatusOK}
		h.ServeHTTP(recorded, r)
		canary.RecordAnswer(r.Method+" "+r.URL.Path, recorded.status, w.Header(), recorded.body.String())
	})
}

// recordedResponse is a response of which a copy is recorded.
type recordedResponse struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

// WriteHeader implements http.ResponseWriter.
func (k *recordedResponse) WriteHeader(status int) {
	k.status = status
	k.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (k *recordedResponse) Write(b []byte) (int, error) {
	k.body.Write(b)
	return k.ResponseWriter.Write(b)
}

// recordJournal writes down what the stop journal in the data folder holds, when nobody writes there any more.
func (s *Stack) recordJournal() {
	if !canary.Recording() {
		return
	}
	err := filepath.WalkDir(filepath.Join(s.options.Dir, "journal"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		canary.Record(canary.Journal, "folder", entry.Name()+"\n"+string(content))
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) { // without a stop there is no folder
		panic(fmt.Errorf("record the journal: %w", err))
	}
}
