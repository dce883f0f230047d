package monitor

import (
	"fmt"
	"strings"

	"newsletter/cmd/newsletter/internal/terminal"
	"newsletter/shared/alert"
	"newsletter/shared/snapshot"
)

// alertsSection returns the lines on firing alerts, with their age and what to do, and on resolved ones.
func alertsSection(v View, a snapshot.Alerts) []string {
	lines := []string{v.title("ALERTS") + "  none firing"}
	if len(a.Firing) > 0 {
		lines[0] = v.title("ALERTS") + fmt.Sprintf("  %d firing", len(a.Firing))
	}
	for _, firing := range a.Firing {
		lines = append(lines, v.Paint.Paint(terminal.SeverityColor(firing.Severity), fmt.Sprintf("%-8s  %s, for %s", firing.Severity, title(firing), terminal.FormatAge(v.Now.Sub(firing.FiringSince)))))
		if v.terse {
			continue
		}
		const indent = "          "
		for _, text := range terminal.Wrap(firing.Summary+" "+advice(firing), max(20, v.Width-len(indent))) {
			lines = append(lines, indent+text)
		}
	}
	for _, resolved := range a.Resolved {
		text := fmt.Sprintf("resolved  %s, %s ago, after %s", title(resolved), terminal.FormatAge(v.Now.Sub(*resolved.ResolvedAt)), terminal.FormatAge(resolved.ResolvedAt.Sub(resolved.FiringSince)))
		lines = append(lines, v.Paint.Paint(terminal.Faint, text))
	}
	return lines
}

// title returns the title of an alert, with its subject if it has one.
func title(a alert.Alert) string {
	if a.Subject == "" {
		return a.Title(alert.Firing)
	}
	return a.Title(alert.Firing) + " (" + a.Subject + ")"
}

// advice returns what to do about an alert. It is empty for a rule of a newer version.
func advice(a alert.Alert) string {
	for _, line := range a.Lines(alert.Firing) {
		if text, found := strings.CutPrefix(line, "What to do: "); found {
			return text
		}
	}
	return ""
}
