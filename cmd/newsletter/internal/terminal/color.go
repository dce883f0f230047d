package terminal

import (
	"os"

	"github.com/charmbracelet/x/term"

	"newsletter/shared/alert"
	"newsletter/shared/healthcheck"
)

// Color is an ANSI style of a text.
type Color string

// The colors.
const (
	Plain Color = ""
	Good  Color = "32"
	Warn  Color = "33"
	Bad   Color = "31"
	Bold  Color = "1"
	Faint Color = "2"
)

// Painter colors texts, or leaves them unchanged if it is false.
type Painter bool

// PainterFor returns a Painter that colors if f is a terminal and NO_COLOR is not set (no-color.org).
func PainterFor(f *os.File) Painter { return Painter(IsTerminal(f) && os.Getenv("NO_COLOR") == "") }

// Paint returns the text in a color.
func (p Painter) Paint(c Color, text string) string {
	if !p || c == Plain {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}

// StatusColor returns the color of a status, Plain for an unknown one.
func StatusColor(s healthcheck.Status) Color {
	return map[healthcheck.Status]Color{healthcheck.Pass: Good, healthcheck.Warn: Warn, healthcheck.Fail: Bad}[s]
}

// SeverityColor returns the color of a firing alert.
func SeverityColor(l alert.Severity) Color {
	if l == alert.Critical {
		return Bad
	}
	return Warn
}

// IsTerminal reports whether a file is a terminal.
func IsTerminal(f *os.File) bool { return term.IsTerminal(f.Fd()) }

// Width returns the width of the terminal of a file in cells, or fallback if the file is not a terminal.
func Width(f *os.File, fallback int) int {
	if width, _, err := term.GetSize(f.Fd()); err == nil && width > 0 {
		return width
	}
	return fallback
}
