package lists

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"newsletter/shared/subscription"
)

//go:embed layouts.toml
var layoutsText string

// Layout is the recognized layout of a list.
type Layout struct {
	Name     string `toml:"name"`
	Source   string `toml:"source"`
	Verified bool   `toml:"verified"`
	// Has are the headings by which the layout is recognized.
	Has []string `toml:"has"`
	// Columns are the meanings of headings, by their names in meanings.
	Columns map[string]Meaning `toml:"columns"`
	// Words are the states of the values of a status.
	Words map[string]subscription.ListState `toml:"words"`
	// Stateless means that the list may lack a column for who left.
	Stateless bool `toml:"stateless"`
}

// Layouts returns all layouts. Headings and words are as joinWords returns them.
func Layouts() []Layout { return slices.Clone(layouts) }

var layouts = func() []Layout {
	var file struct {
		Layout []Layout `toml:"layout"`
	}
	if err := toml.NewDecoder(strings.NewReader(layoutsText)).DisallowUnknownFields().Decode(&file); err != nil {
		panic(fmt.Sprintf("layouts.toml: %v", err)) // embedded: a test reads it
	}
	for i := range file.Layout {
		l := &file.Layout[i]
		for j, heading := range l.Has {
			l.Has[j] = joinWords(heading)
		}
		l.Columns, l.Words = joinKeys(l.Columns), joinKeys(l.Words)
	}
	return file.Layout
}()

func joinKeys[V any](m map[string]V) map[string]V {
	joined := make(map[string]V, len(m))
	for key, value := range m {
		joined[joinWords(key)] = value
	}
	return joined
}

// recognize returns the layout with the given headings; the zero Layout if it is unknown.
func recognize(headings []string) Layout {
	present := map[string]bool{}
	for _, heading := range headings {
		present[joinWords(heading)] = true
	}
	var best Layout
	for _, l := range layouts {
		fits := !slices.ContainsFunc(l.Has, func(heading string) bool { return !present[heading] })
		if fits && len(l.Has) > len(best.Has) {
			best = l
		}
	}
	return best
}
