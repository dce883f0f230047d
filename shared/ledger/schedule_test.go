package ledger

import (
	"path/filepath"
	"testing"

	"newsletter/internal/samtemplate"
)

// Overdue follows from how often the deployment runs maintain.
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
