package terminal

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"newsletter/shared/requeststats"
)

func TestColumns(t *testing.T) {
	t.Parallel()
	paint := Painter(true)
	got := Columns("lrl", []string{"NAME", "N", "MARK"}, []string{paint.Paint(Bad, "a"), "1200", "█ ▁"}, []string{"longer", "3"})
	want := []string{"NAME       N  MARK", "a       1200  █ ▁", "longer     3"}
	for i := range got {
		if plain := ansi.Strip(got[i]); plain != want[i] {
			t.Errorf("%q, want %q", plain, want[i])
		}
	}
	if !strings.Contains(got[1], "\x1b[31ma") {
		t.Errorf("no colour in %q", got[1])
	}
}

func TestLayout(t *testing.T) {
	t.Parallel()
	left, right := []string{"aaa", "b"}, []string{"x", "y", "z"}
	for name, test := range map[string]struct{ got, want []string }{
		"beside":             {SideBySide(left, right, 6), []string{"aaa  x", "b    y", "     z"}},
		"below":              {SideBySide(left, right, 5), []string{"aaa", "b", "x", "y", "z"}},
		"flow":               {Flow([]string{"aa", "bb", "cc", "a long one"}, 6), []string{"aa  bb", "cc", "a long one"}},
		"nothing flows":      {Flow(nil, 6), nil},
		"wrap":               {Wrap("one two three", 8), []string{"one two", "three"}},
		"cut":                {[]string{Cut("abcdef", 4), Cut("abcd", 4)}, []string{"abc…", "abcd"}},
		"ends":               {[]string{Justify("left", "right", 13)}, []string{"left    right"}},
		"ends that are long": {[]string{Justify("left side", "right", 12)}, []string{"left…  right"}},
		"usual": {[]string{FormatBaseline(requeststats.Usual{}), FormatBaseline(requeststats.Usual{Weeks: 3, Median: 43 * time.Millisecond}), FormatBaseline(requeststats.Usual{Weeks: 3, Median: 43 * time.Millisecond, MAD: 2 * time.Millisecond})},
			[]string{"unknown", "43 ms", "43 ms ± 2.0 ms"}},
	} {
		if !slices.Equal(test.got, test.want) {
			t.Errorf("%s: %q, want %q", name, test.got, test.want)
		}
	}
}
