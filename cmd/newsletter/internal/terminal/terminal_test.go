package terminal

import (
	"math"
	"os"
	"testing"
	"time"
)

func TestSparkline(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		values []float64
		width  int
		want   string
	}{
		{nil, 10, ""}, {[]float64{0, 0}, 10, "▁▁"}, {[]float64{0, 1, 2, 3, 4, 5, 6, 7, 8}, 20, "▁▂▃▄▅▆▇██"},
		{[]float64{9, 9, 1, 2}, 2, "▅█"}, {[]float64{1, math.NaN(), 1}, 5, "█ █"},
	} {
		if got := Sparkline(test.values, test.width); got != test.want {
			t.Errorf("%v: %q, want %q", test.values, got, test.want)
		}
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		FormatDuration(0): "–", FormatDuration(4230 * time.Microsecond): "4.2 ms", FormatDuration(187 * time.Millisecond): "187 ms", FormatDuration(1940 * time.Millisecond): "1.94 s",
		FormatPercent(0, 0): "–", FormatPercent(0, 9): "0 %", FormatPercent(1, 100000): "<0.1 %", FormatPercent(1, 8): "12.5 %",
		FormatAge(-time.Second): "0 s", FormatAge(90 * time.Second): "2 min", FormatAge(3 * time.Hour): "3 h", FormatAge(50 * time.Hour): "2 days",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestColoursAreForTerminals(t *testing.T) {
	t.Parallel()
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if got := PainterFor(file).Paint(Bad, "x"); got != "x" {
		t.Errorf("%q in a file", got)
	}
	if got := Painter(true).Paint(Bad, "x"); got != "\x1b[31mx\x1b[0m" {
		t.Errorf("%q", got)
	}
}
