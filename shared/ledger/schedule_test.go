package ledger

import (
	"path/filepath"
	"testing"

	"newsletter/internal/local/samtemplate"
)

// TestMaintainSealsOnceADay checks the schedule in the template, from which Overdue follows.
func TestMaintainSealsOnceADay(t *testing.T) {
	template, err := samtemplate.Load(filepath.Join("..", "..", "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	schedules := template.Functions["maintain"].Schedules
	if len(schedules) != 1 || schedules[0].Expression != "rate(1 day)" || sealInterval.Hours() != 24 {
		t.Errorf("schedules %+v, seals every %s", schedules, sealInterval)
	}
}
