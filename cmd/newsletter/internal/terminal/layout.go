package terminal

import (
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// gap separates two columns.
const gap = "  "

// Columns aligns cells, ignoring colors. align has a letter for each column: l for left, r for right. A row may have
// fewer cells.
func Columns(align string, rows ...[]string) []string {
	widths := make([]int, len(align))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], ansi.StringWidth(cell))
		}
	}
	lines := make([]string, len(rows))
	for n, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			if i > 0 {
				b.WriteString(gap)
			}
			b.WriteString(pad(cell, widths[i], align[i] == 'r'))
		}
		lines[n] = strings.TrimRight(b.String(), " ")
	}
	return lines
}

func pad(text string, width int, left bool) string {
	space := strings.Repeat(" ", max(0, width-ansi.StringWidth(text)))
	if left {
		return space + text
	}
	return text + space
}

// SideBySide puts lines to the right of others, or below them where they do not fit into width.
func SideBySide(left, right []string, width int) []string {
	if maxWidth(left)+len(gap)+maxWidth(right) > width {
		return append(left, right...)
	}
	rows := make([][]string, max(len(left), len(right)))
	for i := range rows {
		rows[i] = []string{line(left, i), line(right, i)}
	}
	return Columns("ll", rows...)
}

func maxWidth(lines []string) int {
	most := 0
	for _, text := range lines {
		most = max(most, ansi.StringWidth(text))
	}
	return most
}

func line(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return ""
}

// Justify puts a text at each end of a line of width; what does not fit is cut from the left one.
func Justify(left, right string, width int) string {
	room := max(0, width-len(gap)-ansi.StringWidth(right))
	return pad(Cut(left, room), room, false) + gap + right
}

// Flow puts items one after the other, in as many lines as width requires.
func Flow(items []string, width int) []string {
	var lines []string
	for _, item := range items {
		if last := len(lines) - 1; last >= 0 && ansi.StringWidth(lines[last])+len(gap)+ansi.StringWidth(item) <= width {
			lines[last] += gap + item
		} else {
			lines = append(lines, item)
		}
	}
	return lines
}

// Wrap wraps a text between words into lines of width.
func Wrap(text string, width int) []string {
	return strings.Split(ansi.Wordwrap(text, width, ""), "\n")
}

// Cut truncates a line that is wider than width, with "…" at its end.
func Cut(text string, width int) string { return ansi.Truncate(text, width, "…") }
