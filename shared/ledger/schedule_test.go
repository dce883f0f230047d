package ledger

import (
	"path/filepath"
	"testing"
	"time"

	"newsletter/internal/local/samtemplate"
)

// TestMaintainSealsEveryHour checks the schedule in the template, from which Overdue follows.
func TestMaintainSealsEveryHour(t *testing.T) {
	template, err := samtemplate.Load(filepath.Join("..", "..", "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	schedules := template.Functions["maintain"].Schedules
	if len(schedules) != 1 || schedules[0].Expression != "rate(1 hour)" || sealInterval != time.Hour || Overdue != 3*time.Hour {
		t.Errorf("schedules %+v, seals every %s", schedules, sealInterval)
	}
}
