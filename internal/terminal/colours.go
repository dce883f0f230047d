package terminal

import (
	"os"

	"github.com/charmbracelet/x/term"

	"newsletter/shared/alert"
	"newsletter/shared/healthcheck"
)

// Colour is how a text stands out.
type Colour string

// The colours.
const (
	Plain  Colour = ""
	Good   Colour = "32"
	Warn   Colour = "33"
	Bad    Colour = "31"
	Strong Colour = "1"
	Faint  Colour = "2"
)

// Painter colours texts, or leaves them as they are.
type Painter bool

// PainterFor colours what goes to a terminal, unless NO_COLOR is set (no-color.org).
func PainterFor(f *os.File) Painter { return Painter(IsTerminal(f) && os.Getenv("NO_COLOR") == "") }

// Paint gives a text in a colour.
func (p Painter) Paint(c Colour, text string) string {
	if !p || c == Plain {
		return text
	}
	return "\x1b[" + string(c) + "m" + text + "\x1b[0m"
}

// StatusColour is the colour of a status.
func StatusColour(s healthcheck.Status) Colour {
	return map[healthcheck.Status]Colour{healthcheck.Pass: Good, healthcheck.Warn: Warn, healthcheck.Fail: Bad}[s]
}

// LevelColour is the colour of an alert that is open.
func LevelColour(l alert.Level) Colour {
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
