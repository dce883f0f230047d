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

// DirVariable names the folder into which the processes of a run of tests write what each sink got. Without it nothing is
// written.
const DirVariable = "CANARY_DIR"

// book is the file of this process.
var book struct {
	mu   sync.Mutex
	dir  string
	file *os.File
}

// Recording says whether anybody looks at what is recorded.
func Recording() bool { return os.Getenv(DirVariable) != "" }

// Record writes down what a sink got. It is safe for concurrent use.
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

// RecordAnswer writes down an answer to the request called "POST /path".
func RecordAnswer(request string, status int, header http.Header, body string) {
	sink := Answer
	if status >= http.StatusBadRequest {
		sink = Problem
	}
	Record(sink, fmt.Sprintf("%s %d", request, status), Header(header)+"\n"+body)
}

// secretHeaders are those whose purpose is to carry a secret, or what is made of one.
var secretHeaders = []string{"Authorization", "Webhook-Signature", "X-Sentry-Auth", "X-Amz-Security-Token", "X-Amz-Content-Sha256"}

// Header is a header in lines, without the secrets that it is there for.
func Header(header http.Header) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(header)) {
		if !slices.Contains(secretHeaders, name) {
			fmt.Fprintf(&b, "%s: %s\n", name, strings.Join(header[name], ", "))
		}
	}
	return b.String()
}

// testPackage names the folder in which this process was started, which `go test` makes that of the package.
var testPackage = sync.OnceValue(func() string {
	dir, err := os.Getwd()
	if err != nil {
		return ""
	}
	return filepath.Base(filepath.Dir(dir)) + "/" + filepath.Base(dir)
})

// Report is what came of looking at everything that was recorded.
type Report struct {
	Entries  map[Sink]int
	Findings []Finding
}

// String says how much was looked at.
func (r Report) String() string {
	var sinks []string
	for _, sink := range slices.Sorted(maps.Keys(r.Entries)) {
		sinks = append(sinks, fmt.Sprintf("%s %d", sink, r.Entries[sink]))
	}
	return fmt.Sprintf("%d findings in %s", len(r.Findings), strings.Join(sinks, ", "))
}

// Read looks at everything that was recorded into a folder. Of findings that differ in nothing but their text, or by what
// the rows are of ("pauses.reason of t_one"), the first stands in the report.
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
			return report, fmt.Errorf("read what was recorded: %w", err)
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
