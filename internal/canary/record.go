package canary

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// DirVariable names the folder into which the processes of a test run record what each sink received. Nothing is
// recorded if it is not set.
const DirVariable = "CANARY_DIR"

// book is the file of this process.
var book struct {
	mu   sync.Mutex
	dir  string
	file *os.File
}

// Recording reports whether entries are recorded.
func Recording() bool { return os.Getenv(DirVariable) != "" }

// Record records what a sink received. It is safe for concurrent use.
func Record(sink Sink, place, text string) {
	dir := os.Getenv(DirVariable)
	if dir == "" || text == "" {
		return
	}
	line, err := json.Marshal(Entry{Sink: sink, Place: place, Text: text, Package: testPackage()})
	if err != nil {
		panic(fmt.Errorf("canary: record: %w", err))
	}
	book.mu.Lock()
	defer book.mu.Unlock()
	if book.dir != dir {
		name := filepath.Join(dir, fmt.Sprintf("%d.jsonl", os.Getpid()))
		file, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			panic(fmt.Errorf("canary: record: %w", err))
		}
		if book.file != nil {
			_ = book.file.Close()
		}
		book.dir, book.file = dir, file
	}
	if _, err := book.file.Write(append(line, '\n')); err != nil {
		panic(fmt.Errorf("canary: record: %w", err))
	}
}

// RecordAnswer records an answer to the request called "POST /path".
func RecordAnswer(request string, status int, header http.Header, body string) {
	sink := Answer
	if status >= http.StatusBadRequest {
		sink = Problem
	}
	Record(sink, fmt.Sprintf("%s %d", request, status), Header(header)+"\n"+body)
}

// secretHeaders are headers whose purpose is to carry a secret or something derived from one.
var secretHeaders = []string{"Authorization", "Webhook-Signature", "X-Sentry-Auth", "X-Amz-Security-Token", "X-Amz-Content-Sha256"}

// Header formats a header as lines, without intended secrets.
func Header(header http.Header) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(header)) {
		if !slices.Contains(secretHeaders, name) {
			fmt.Fprintf(&b, "%s: %s\n", name, strings.Join(header[name], ", "))
		}
	}
	return b.String()
}

// testPackage returns the folder in which this process was started; for `go test` it is the package's.
var testPackage = sync.OnceValue(func() string {
	dir, err := os.Getwd()
	if err != nil {
		return ""
	}
	return filepath.Base(filepath.Dir(dir)) + "/" + filepath.Base(dir)
})

// Report is the result of inspecting all entries.
type Report struct {
	Entries  map[Sink]int
	Findings []Finding
}

// String summarizes how much was inspected.
func (r Report) String() string {
	var sinks []string
	for _, sink := range slices.Sorted(maps.Keys(r.Entries)) {
		sinks = append(sinks, fmt.Sprintf("%s %d", sink, r.Entries[sink]))
	}
	return fmt.Sprintf("%d findings in %s", len(r.Findings), strings.Join(sinks, ", "))
}

// Read inspects everything recorded in a folder. Of findings that differ only in their text, or in the database of
// the row ("pauses.reason of t_one"), it keeps the first.
func Read(dir string, planted []Value) (Report, error) {
	report := Report{Entries: map[Sink]int{}}
	files, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil {
		return report, err
	}
	seen := map[Finding]bool{}
	for _, name := range files {
		if err := readFile(name, func(e Entry) {
			report.Entries[e.Sink]++
			for _, f := range Inspect(e, planted) {
				same := f
				same.Line = ""
				same.Place, _, _ = strings.Cut(f.Place, " of ")
				if !seen[same] {
					seen[same] = true
					report.Findings = append(report.Findings, f)
				}
			}
		}); err != nil {
			return report, fmt.Errorf("read the recorded entries: %w", err)
		}
	}
	return report, nil
}

func readFile(name string, each func(Entry)) error {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	entries := json.NewDecoder(bufio.NewReaderSize(file, 1<<20))
	for {
		var e Entry
		err := entries.Decode(&e)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		each(e)
	}
}
