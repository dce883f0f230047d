package monitor

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"newsletter/cmd/newsletter/internal/terminal"
	"newsletter/shared/healthcheck"
	"newsletter/shared/snapshot"
)

// healthLine returns the status and its age.
func healthLine(v View, h snapshot.Health) string {
	ago := terminal.FormatAge(v.Now.Sub(h.At))
	switch {
	case h.At.IsZero():
		return v.Paint.Paint(terminal.Bad, "UNKNOWN") + "  health has never run; check its schedule"
	case h.Silent(v.Now):
		text := v.Paint.Paint(terminal.Bad, "SILENT") + "  health has not run for " + ago
		if h.Every > 0 {
			text += ", usually every " + terminal.FormatAge(h.Every)
		}
		return text
	}
	return v.Paint.Paint(terminal.StatusColor(h.Status), strings.ToUpper(string(h.Status))) + "  health ran " + ago + " ago"
}

// healthSection returns the status and the checks, those that do not pass first.
func healthSection(v View, h snapshot.Health) []string {
	var items []string
	for _, status := range []healthcheck.Status{healthcheck.Fail, healthcheck.Warn, healthcheck.Pass} {
		for _, name := range slices.Sorted(maps.Keys(h.Checks)) {
			if h.Checks[name] == status {
				items = append(items, checkItem(v, h, name))
			}
		}
	}
	return append([]string{healthLine(v, h)}, terminal.Flow(items, v.Width)...)
}

func checkItem(v View, h snapshot.Health, name string) string {
	status := h.Checks[name]
	text := name
	switch {
	case name == "limiter" && h.Limiter != "":
		text += " (" + h.Limiter + ")"
	case name == "memory" && h.Memory > 0:
		text += fmt.Sprintf(" (%.0f %%)", h.Memory)
	case v.wide():
		text += fmt.Sprintf(" (%.1f ms)", h.TookMS[name])
	}
	if status != healthcheck.Pass { // colors may be off
		text += " " + strings.ToUpper(string(status))
	}
	return v.Paint.Paint(terminal.StatusColor(status), text)
}
