package operate

import (
	"context"
	"time"

	"newsletter/shared/alert"
)

// AlertList lists alerts.
var AlertList = read("alerts list", listAlerts)

// AlertFilter selects alerts.
type AlertFilter struct {
	Resolved bool `json:"resolved,omitempty"` // also resolved ones
}

// Alerts are alerts, and when the function that finds them last ran.
type Alerts struct {
	List[alert.Alert]
	Health HealthRun `json:"health"`
}

// HealthRun is the last run of the health function. Without one, its figures are outdated.
type HealthRun struct {
	At     time.Time `json:"at"` // zero: it has never run
	Silent bool      `json:"silent"`
}

func listAlerts(ctx context.Context, i *Installation, f AlertFilter) (a Alerts, err error) {
	rows, err := alert.NewStore(i.db, alert.Config{}, i.now).List(ctx, !f.Resolved, maxListed)
	if err != nil {
		return a, err
	}
	if a.List, err = list(rows); err != nil {
		return a, err
	}
	a.Health, err = i.lastHealth(ctx)
	return a, err
}

// lastHealth returns the last run of the health function.
func (i *Installation) lastHealth(ctx context.Context) (HealthRun, error) {
	h, err := i.reader.Health(ctx)
	return HealthRun{h.At, h.Silent(i.now())}, err
}
