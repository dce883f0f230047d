package alert

import (
	"strings"
	"time"
)

// A Stage is what the owner is notified of.
type Stage string

// The stages.
const (
	None     Stage = "" // no notification is due
	Firing   Stage = "firing"
	Repeated Stage = "repeated" // it is still firing, or became critical
	Resolved Stage = "resolved"
)

// Title returns the title of a notification.
func (a Alert) Title(stage Stage) string {
	title := texts[a.Rule].title
	if title == "" { // a rule of a newer version
		title = string(a.Rule)
	}
	switch stage {
	case Resolved:
		return "Resolved: " + title
	case Repeated:
		return "Still firing: " + title
	default:
		return title
	}
}

// At returns when a stage was reached, or was last repeated.
func (a Alert) At(stage Stage) time.Time {
	switch {
	case stage == Resolved && a.ResolvedAt != nil:
		return *a.ResolvedAt
	case stage == Repeated && a.RepeatedAt != nil:
		return *a.RepeatedAt
	}
	return a.FiringSince
}

// Lines returns the text of a notification: what was found, since when, and what to do.
func (a Alert) Lines(stage Stage) []string {
	since := a.FiringSince.UTC().Format("2006-01-02 15:04 UTC")
	if stage == Resolved {
		end := a.LastFoundAt
		if a.ResolvedAt != nil {
			end = *a.ResolvedAt
		}
		return []string{"It was firing for " + formatDuration(end.Sub(a.FiringSince).Round(time.Second)) + ", since " + since + ".", "Last finding: " + a.Summary}
	}
	lines := []string{a.Summary, "Firing since " + since + "."}
	if advice := texts[a.Rule].advice; advice != "" {
		lines = append(lines, "What to do: "+strings.ReplaceAll(advice, "`", "'"))
	}
	return lines
}
