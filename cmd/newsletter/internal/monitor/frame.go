// Package monitor draws snapshots of an installation on one screen.
//
// Failure policy: the screen shows the error of a read, keeps the last figures with their time, and retries.
package monitor

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"newsletter/cmd/newsletter/internal/terminal"
	"newsletter/shared/snapshot"
)

// View is the form in which a snapshot is shown.
type View struct {
	Installation string // the environment and the database
	Now          time.Time
	Every        time.Duration // refresh interval; 0 for a single frame
	Width        int
	Height       int // 0 for no limit
	Paint        terminal.Painter
	ReadError    error // of the last read; nil if it succeeded

	terse bool // omit the advice on alerts
}

// wide reports whether there is room for additional columns.
func (v View) wide() bool { return v.Width >= 120 }

func (v View) title(text string) string { return v.Paint.Paint(terminal.Bold, text) }

func (v View) titles(texts ...string) []string {
	for i, text := range texts {
		texts[i] = v.title(text)
	}
	return texts
}

// Frame draws a snapshot, which may be empty. It is a pure function.
func Frame(v View, s snapshot.Snapshot) string {
	head := append(v.headLines(), v.lossLines(s)...)
	var sections [][]string
	switch {
	case !s.At.IsZero():
		sections = v.sections(s)
		if v.Height > 0 && len(head)+len(slices.Concat(sections...)) > v.Height {
			v.terse = true
			sections = v.sections(s)
		}
	case v.ReadError == nil:
		head = append(head, "", "reading …")
	}
	lines := fit(head, sections, v.Height)
	for i, text := range lines {
		lines[i] = terminal.Cut(text, v.Width)
	}
	return strings.Join(lines, "\n")
}

// sections draws the sections. Outdated figures are faint.
func (v View) sections(s snapshot.Snapshot) [][]string {
	fresh := v.Paint
	v.Paint = fresh && terminal.Painter(v.ReadError == nil)
	beside := terminal.SideBySide(signUpsSection(v, s.SignUps), outboxSection(v, s), v.Width)
	all := [][]string{healthSection(v, s.Health), routesSection(v, s), beside, deliveriesSection(v, s.Deliveries), alertsSection(v, s.Alerts)}
	if v.ReadError != nil {
		for _, lines := range all {
			for i := range lines {
				lines[i] = fresh.Paint(terminal.Faint, lines[i])
			}
		}
	}
	return all
}

// headLines returns the title, the installation and the time.
func (v View) headLines() []string {
	left, right := v.title("newsletter monitor")+"  "+v.Installation, v.Now.Format(time.TimeOnly)
	if v.Every > 0 {
		right += fmt.Sprintf("  every %s  q quits", v.Every)
	}
	return []string{terminal.Justify(left, right, v.Width)}
}

// lossLines reports that the database is lost, and the time of the last figures.
func (v View) lossLines(s snapshot.Snapshot) []string {
	if v.ReadError == nil {
		return nil
	}
	lines := append([]string{v.Paint.Paint(terminal.Bad, "DATABASE LOST") + "  retrying"}, terminal.Wrap(v.ReadError.Error(), v.Width)...)
	if !s.At.IsZero() {
		lines = append(lines, fmt.Sprintf("The figures below are from %s, %s ago.", s.At.In(v.Now.Location()).Format(time.TimeOnly), terminal.FormatAge(v.Now.Sub(s.At))))
	}
	return lines
}

// minLines is the minimum size of a section: its title, a line, and the number of omitted lines.
const minLines = 3

// fit puts the sections below the head, with empty lines between them if everything fits. If the sections do not fit,
// the longest ones are shortened, with the number of omitted lines. If that is not enough, whole sections are omitted,
// the first and the last one never.
func fit(head []string, sections [][]string, height int) []string {
	if height == 0 {
		height = math.MaxInt
	}
	for len(sections) > 2 && len(head)+minLines*len(sections) > height {
		sections = slices.Delete(sections, len(sections)-2, len(sections)-1)
	}
	kept, size := make([]int, len(sections)), len(head)
	for i, section := range sections {
		kept[i] = len(section)
		size += len(section)
	}
	spaced := size <= height-len(sections)
	for ; size > height; size-- {
		longest := longest(kept)
		if longest < 0 || kept[longest] <= minLines {
			break
		}
		kept[longest]--
	}
	lines := head
	for i, section := range sections {
		if spaced {
			lines = append(lines, "")
		}
		if missing := len(section) - kept[i]; missing > 0 {
			section = append(section[:kept[i]-1:kept[i]-1], fmt.Sprintf("… %d more", missing+1))
		}
		lines = append(lines, section...)
	}
	return lines[:min(len(lines), height)]
}

// longest returns the index of the largest size, the last one of several, or -1 without sizes.
func longest(sizes []int) int {
	at := -1
	for i, size := range sizes {
		if at < 0 || size >= sizes[at] {
			at = i
		}
	}
	return at
}
