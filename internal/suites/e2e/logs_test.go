package e2e

import (
	"strings"
	"sync"
	"testing"
)

// A logWriter keeps the functions' log and copies it to the test's log until the test ends.
type logWriter struct {
	t      testing.TB
	mu     sync.Mutex
	lines  []string
	closed bool
}

func (l *logWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(p)) // lambdalocal writes complete lines
	if !l.closed {
		l.t.Logf("%s", p)
	}
	return len(p), nil
}

// objects returns the JSON object of each log line of all functions.
func (l *logWriter) objects() (all []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if _, object, found := strings.Cut(line, "{"); found { // each line starts with the function's name
			all = append(all, "{"+object)
		}
	}
	return all
}

// of returns the log lines of one function.
func (l *logWriter) of(function string) (all []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if line, found := strings.CutPrefix(line, function+" | "); found {
			all = append(all, line)
		}
	}
	return all
}

func (l *logWriter) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
}
