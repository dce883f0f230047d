package monitor

import (
	"fmt"
	"time"

	"newsletter/cmd/newsletter/internal/terminal"
	"newsletter/shared/outbox"
	"newsletter/shared/snapshot"
)

// outboxSection returns the lines on the outbox: its current state, and the samples of the last hour.
func outboxSection(v View, s snapshot.Snapshot) []string {
	count := func(n int64) string { return atLeast(n, n >= outbox.MaxCounted) }
	dead := count(s.Depth.Dead)
	if s.Depth.Dead > 0 {
		dead = v.Paint.Paint(terminal.Bad, dead)
	}
	overdue := "–"
	if s.Depth.OldestDue >= time.Second {
		overdue = terminal.FormatAge(s.Depth.OldestDue)
	}
	return terminal.Columns("lrl",
		v.titles("OUTBOX", "NOW", "LAST HOUR"),
		[]string{"ready", count(s.Depth.Ready), terminal.Sparkline(s.Health.Ready[:], snapshot.Slots)},
		[]string{"oldest due", overdue, terminal.Sparkline(s.Health.Overdue[:], snapshot.Slots)},
		[]string{"held", count(s.Depth.Held), ""},
		[]string{"dead", dead, ""},
	)
}

// atLeast formats a number, with "≥" if there may be more.
func atLeast(n int64, more bool) string {
	if more {
		return fmt.Sprintf("≥ %d", n)
	}
	return fmt.Sprint(n)
}
