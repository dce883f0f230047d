package monitor

import (
	"fmt"
	"time"

	"newsletter/internal/terminal"
	"newsletter/shared/outbox"
)

// outboxSection says what waits, beside what the pings of the hour saw.
func outboxSection(v View, s Snapshot) []string {
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
		[]string{"ready", count(s.Depth.Ready), terminal.Sparkline(s.Health.Ready[:], slots)},
		[]string{"longest due", overdue, terminal.Sparkline(s.Health.Overdue[:], slots)},
		[]string{"held", count(s.Depth.Held), ""},
		[]string{"given up", dead, ""},
	)
}

// atLeast writes a number, and whether there may be more.
func atLeast(n int64, more bool) string {
	if more {
		return fmt.Sprintf("≥ %d", n)
	}
	return fmt.Sprint(n)
}
