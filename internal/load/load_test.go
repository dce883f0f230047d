package load

import (
	"errors"
	"net/http"
	"os"
	"testing"
	"time"
)

// A small crowd on the real system: everybody is answered, and nothing is lost.
func TestASmallCrowd(t *testing.T) {
	if testing.Short() {
		t.Skip("a whole system is left out with -short")
	}
	report, err := run(t.Context(), plan{users: 300, environments: 3, every: 6 * time.Second}, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	t.Log(report)
	for _, problem := range report.problems {
		t.Error(problem)
	}
}

func TestTheJudgeFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	right := []answer{{status: http.StatusNotFound}, {status: http.StatusAccepted}, {status: http.StatusAccepted}}
	all := counts{connections: 20, subscribers: 2, requests: 2, mails: 2}
	if got := judge(plan{users: 3}, right, all).problems; len(got) != 0 {
		t.Errorf("all is well: %v", got)
	}
	for name, change := range map[string]func(answers []answer, c *counts){
		"an error":         func(answers []answer, c *counts) { answers[0].status = http.StatusServiceUnavailable },
		"a cut answer":     func(answers []answer, c *counts) { answers[1].err = errors.New("cut") },
		"a row is lost":    func(_ []answer, c *counts) { c.subscribers-- },
		"an event is lost": func(_ []answer, c *counts) { c.requests-- },
		"a mail is lost":   func(_ []answer, c *counts) { c.mails-- },
		"connections":      func(_ []answer, c *counts) { c.connections++ },
		"nobody counted":   func(_ []answer, c *counts) { c.connections = 0 },
	} {
		answers, c := append([]answer(nil), right...), all
		change(answers, &c)
		if got := judge(plan{users: 3}, answers, c).problems; len(got) != 1 {
			t.Errorf("%s: %v", name, got)
		}
	}
}
