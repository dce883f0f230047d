// Package terminal formats figures for the operator's tool: sparklines, durations, columns and colors.
package terminal

import (
	"fmt"
	"math"
	"strings"
	"time"

	"newsletter/shared/requeststats"
)

// levels are the heights of a sparkline.
var levels = []rune("▁▂▃▄▅▆▇█")

// Sparkline draws the last width values as heights between 0 and the largest. An unknown value (NaN) is a gap.
func Sparkline(values []float64, width int) string {
	values = values[max(0, len(values)-width):]
	most := 0.0
	for _, v := range values {
		if !math.IsNaN(v) {
			most = max(most, v)
		}
	}
	var b strings.Builder
	for _, v := range values {
		switch {
		case math.IsNaN(v):
			b.WriteByte(' ')
		case most == 0 || v <= 0:
			b.WriteRune(levels[0])
		default:
			b.WriteRune(levels[min(len(levels)-1, int(v/most*float64(len(levels))))])
		}
	}
	return b.String()
}

// FormatDuration writes a duration for a table: "4.2 ms", "187 ms", "1.94 s".
func FormatDuration(d time.Duration) string {
	switch ms := float64(d) / 1e6; {
	case d == 0:
		return "–"
	case ms < 10:
		return fmt.Sprintf("%.1f ms", ms)
	case ms < 1000:
		return fmt.Sprintf("%.0f ms", ms)
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

// FormatBaseline writes a baseline for a table: "43 ms ± 2.1 ms".
func FormatBaseline(u requeststats.Usual) string {
	switch {
	case u.Weeks == 0:
		return "unknown"
	case u.MAD == 0:
		return FormatDuration(u.Median)
	}
	return FormatDuration(u.Median) + " ± " + FormatDuration(u.MAD)
}

// FormatPercent writes a part for a table: "–" of nothing, and never "0 %" for what is more than 0.
func FormatPercent(part, whole int64) string {
	switch p := 100 * float64(part) / float64(whole); {
	case whole == 0:
		return "–"
	case part == 0:
		return "0 %"
	case p < 0.1:
		return "<0.1 %"
	default:
		return fmt.Sprintf("%.1f %%", p)
	}
}

// FormatAge writes how long ago something was, in the largest unit that fits.
func FormatAge(d time.Duration) string {
	switch d = max(0, d.Round(time.Second)); {
	case d < time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 2*time.Hour:
		return fmt.Sprintf("%.0f min", d.Minutes())
	case d < 48*time.Hour:
		return fmt.Sprintf("%.0f h", d.Hours())
	}
	return fmt.Sprintf("%.0f days", d.Hours()/24)
}
