package terminal

import (
	"os"

	"github.com/charmbracelet/x/term"

	"newsletter/shared/alert"
	"newsletter/shared/healthcheck"
)

// Color is how a text stands out.
type Color string

// The colours.
const (
	Plain Color = ""
	Good  Color = "32"
	Warn  Color = "33"
	Bad   Color = "31"
	Bold  Color = "1"
	Faint Color = "2"
)

// Painter colours texts, or leaves them as they are.
type Painter bool

// PainterFor colours what goes to a terminal, unless NO_COLOR is set (no-color.org).
func PainterFor(f *os.File) Painter { return Painter(IsTerminal(f) && os.Getenv("NO_COLOR") == "") }

// Paint gives a text in a colour.
func (p Painter) Paint(c Color, text string) string {
	if !p || c == Plain {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}

// StatusColor is the colour of a status.
func StatusColor(s healthcheck.Status) Color {
	return map[healthcheck.Status]Color{healthcheck.Pass: Good, healthcheck.Warn: Warn, healthcheck.Fail: Bad}[s]
}

// SeverityColor is the colour of an alert that is open.
func SeverityColor(l alert.Level) Color {
	if l == alert.Alarm {
		return Bad
	}
	return Warn
}

// IsTerminal says whether a file is a terminal.
func IsTerminal(f *os.File) bool { return term.IsTerminal(f.Fd()) }

// Width is how many cells wide the terminal of a file is, or otherwise if it is none.
func Width(f *os.File, otherwise int) int {
	if width, _, err := term.GetSize(f.Fd()); err == nil && width > 0 {
		return width
	}
	return otherwise
}
