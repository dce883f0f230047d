package main

import (
	"errors"
	"net/http"
	"os"
	"testing"
	"time"
)

// TestASmallLoad runs a small load on the real system: every request is answered, and nothing is lost.
func TestASmallLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("a whole system is left out with -short")
	}
	report, err := run(t.Context(), plan{users: 300, environments: 3, every: 6 * time.Second}, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(report)
	for _, problem := range report.Problems {
		t.Error(problem)
	}
}

func TestJudgeFindsProblems(t *testing.T) {
	t.Parallel()
	right := []answer{{status: http.StatusNotFound}, {status: http.StatusAccepted}, {status: http.StatusAccepted}}
	all := counts{connections: 20, subscribers: 2, requests: 2, emails: 2}
	if got := judge(plan{users: 3}, right, all).Problems; len(got) != 0 {
		t.Errorf("no problems: %v", got)
	}
	for name, change := range map[string]func(answers []answer, c *counts){
		"an error":               func(answers []answer, c *counts) { answers[0].status = http.StatusServiceUnavailable },
		"a cut answer":           func(answers []answer, c *counts) { answers[1].err = errors.New("cut") },
		"a row is lost":          func(_ []answer, c *counts) { c.subscribers-- },
		"an event is lost":       func(_ []answer, c *counts) { c.requests-- },
		"an email is lost":       func(_ []answer, c *counts) { c.emails-- },
		"connections":            func(_ []answer, c *counts) { c.connections++ },
		"no connections counted": func(_ []answer, c *counts) { c.connections = 0 },
	} {
		answers, c := append([]answer(nil), right...), all
		change(answers, &c)
		if got := judge(plan{users: 3}, answers, c).Problems; len(got) != 1 {
			t.Errorf("%s: %v", name, got)
		}
	}
}
