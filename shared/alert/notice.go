package alert

import (
	"strings"
	"time"
)

// Stage is what an owner is told of an alert.
type Stage string

// The stages.
const (
	Opened   Stage = "firing"
	Reminded Stage = "repeated"
	Closed   Stage = "resolved"
)

// Title returns the line that says it all.
func (a Alert) Title(stage Stage) string {
	title := texts[a.Rule].title
	if title == "" { // a rule of a newer version
		title = string(a.Rule)
	}
	switch stage {
	case Closed:
		return "Over: " + title
	case Reminded:
		return "Still: " + title
	default:
		return title
	}
}

// At returns when a stage was reached; of several reminders, the last.
func (a Alert) At(stage Stage) time.Time {
	switch {
	case stage == Closed && a.ClosedAt != nil:
		return *a.ClosedAt
	case stage == Reminded && a.RemindedAt != nil:
		return *a.RemindedAt
	}
	return a.OpenedAt
}

// Lines say what was found, since when, and what to do.
func (a Alert) Lines(stage Stage) []string {
	since := a.OpenedAt.UTC().Format("2006-01-02 15:04 UTC")
	if stage == Closed {
		end := a.SeenAt
		if a.ClosedAt != nil {
			end = *a.ClosedAt
		}
		return []string{"It lasted " + lasting(end.Sub(a.OpenedAt).Round(time.Second)) + ", since " + since + ".", "Last seen: " + a.Summary}
	}
	lines := []string{a.Summary, "Since " + since + "."}
	if advice := texts[a.Rule].advice; advice != "" {
		lines = append(lines, "What to do: "+strings.ReplaceAll(advice, "`", "'"))
	}
	return lines
}
