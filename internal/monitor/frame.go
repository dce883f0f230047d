package monitor

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"newsletter/internal/terminal"
)

// View is how a snapshot is to be shown.
type View struct {
	Installation string // what is looked at
	Now          time.Time
	Every        time.Duration // between two looks; 0 for a single one
	Width        int
	Height       int // 0 for as many lines as it takes
	Paint        terminal.Painter
	ReadError    error // why the database did not answer the last look; nil if it did

	terse bool // there is no room for advice
}

// wide says whether there is room for more than 80 columns need.
func (v View) wide() bool { return v.Width >= 120 }

func (v View) title(text string) string { return v.Paint.Paint(terminal.Bold, text) }

func (v View) titles(texts ...string) []string {
	for i, text := range texts {
		texts[i] = v.title(text)
	}
	return texts
}

// Frame draws a snapshot. Without one, it draws what is known all the same. It is a pure function.
func Frame(v View, s Snapshot) string {
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

// sections draws the parts. Figures that are not of now are faint.
func (v View) sections(s Snapshot) [][]string {
	fresh := v.Paint
	v.Paint = fresh && terminal.Painter(v.ReadError == nil)
	beside := terminal.SideBySide(s.SignUps.section(v), outboxSection(v, s), v.Width)
	all := [][]string{s.Health.section(v), routesSection(v, s), beside, s.Deliveries.section(v), s.Alerts.section(v)}
	if v.ReadError != nil {
		for _, lines := range all {
			for i := range lines {
				lines[i] = fresh.Paint(terminal.Faint, lines[i])
			}
		}
	}
	return all
}

// head says what is looked at, and when.
func (v View) headLines() []string {
	left, right := v.title("newsletter monitor")+"  "+v.Installation, v.Now.Format(time.TimeOnly)
	if v.Every > 0 {
		right += fmt.Sprintf("  every %s  q quits", v.Every)
	}
	return []string{terminal.Justify(left, right, v.Width)}
}

// loss says that the database is lost, and of when the figures are.
func (v View) lossLines(s Snapshot) []string {
	if v.ReadError == nil {
		return nil
	}
	lines := append([]string{v.Paint.Paint(terminal.Bad, "DATABASE LOST") + "  asking again"}, terminal.Wrap(v.ReadError.Error(), v.Width)...)
	if !s.At.IsZero() {
		lines = append(lines, fmt.Sprintf("What follows is of %s, %s ago.", s.At.In(v.Now.Location()).Format(time.TimeOnly), terminal.FormatAge(v.Now.Sub(s.At))))
	}
	return lines
}

// least is what a section keeps where there is little room: its title, a line, and how many are missing.
const minLines = 3

// fit puts the sections below the head, with empty lines between them where there is room for all. Where there is not even
// room for the sections, the longest loses lines first, and says how many. Where that is not enough, whole sections go, the
// first and the last one at the end.
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

// longest is the index of the largest of some sizes, the last one of several; -1 if there are none.
func longest(sizes []int) int {
	at := -1
	for i, size := range sizes {
		if at < 0 || size >= sizes[at] {
			at = i
		}
	}
	return at
}
