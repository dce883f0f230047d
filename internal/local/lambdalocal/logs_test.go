package lambdalocal

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
)

func TestLinesOfSeveralEnvironmentsStayWhole(t *testing.T) {
	t.Parallel()
	s, logs := start(t, Function{Concurrency: 3})
	const lines = 400
	var callers sync.WaitGroup
	for range 3 {
		callers.Go(func() { call(t, s, `{"do":"talk","lines":%d}`, lines) })
	}
	callers.Wait()
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	next, bare := map[int]int{}, 0
	for line := range strings.SplitSeq(strings.TrimSuffix(logs.String(), "\n"), "\n") {
		text, found := strings.CutPrefix(line, "probe | ")
		if !found {
			t.Fatalf("a line without its function: %q", line)
		}
		if text == "started" {
			continue
		}
		text, cut := strings.CutPrefix(text, "no end of line")
		if cut {
			bare++
		}
		if text == "" {
			continue
		}
		var said struct{ PID, I int }
		if err := json.Unmarshal([]byte(text), &said); err != nil {
			t.Fatalf("%v: %q", err, text)
		}
		if said.I != next[said.PID]%lines { // an environment may have served two of the events
			t.Fatalf("process %d: line %d, want %d", said.PID, said.I, next[said.PID]%lines)
		}
		next[said.PID]++
	}
	total := 0
	for _, n := range next {
		total += n
	}
	if total != 3*lines || bare != 3 {
		t.Errorf("%d lines, %d unfinished ones", total, bare)
	}
}

func TestOutputIsCutIntoLines(t *testing.T) {
	log := &syncBuffer{}
	w := &prefixWriter{prefix: "f | ", to: &lockedWriter{w: log}}
	for _, part := range []string{"one\ntw", "o\n\n", strings.Repeat("x", maxLine), "y", "tail"} {
		if n, err := fmt.Fprint(w, part); n != len(part) || err != nil {
			t.Fatal(n, err)
		}
	}
	w.flush()
	w.flush()
	if want := "f | one\nf | two\nf | \nf | " + strings.Repeat("x", maxLine) + "y\nf | tail\n"; log.String() != want {
		t.Errorf("got %d bytes, want %d: %.80q", len(log.String()), len(want), log.String())
	}
	silent := &prefixWriter{to: &lockedWriter{}}
	if _, err := fmt.Fprintln(silent, "nobody listens"); err != nil {
		t.Error(err)
	}
}
