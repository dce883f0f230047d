package settings

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// file is a settings file: its values by the variable's name, and what is wrong with it.
type file struct {
	name     string
	lines    map[string]int // of each key, by section.key
	values   map[string]string
	refused  map[string]bool // variables whose value is not in values, because it is wrong
	problems []problem
}

// problem is one mistake, at a line or at none.
type problem struct {
	line int
	text string
}

func (f *file) add(key, format string, arguments ...any) {
	f.problems = append(f.problems, problem{f.lines[key], fmt.Sprintf(format, arguments...)})
}

// parse reads a file. Mistakes in its form and its keys are problems of the result.
func parse(name string, content []byte) *file {
	f := &file{name: name, lines: map[string]int{}, values: map[string]string{}, refused: map[string]bool{}}
	var sections map[string]any
	if err := toml.Unmarshal(content, &sections); err != nil {
		line, text := 0, strings.TrimPrefix(err.Error(), "toml: ")
		if at, ok := errors.AsType[*toml.DecodeError](err); ok {
			line, _ = at.Position()
		}
		f.problems = append(f.problems, problem{line, text})
		return f
	}
	f.lines = keyLines(content)
	for section, content := range sections {
		keys, isSection := content.(map[string]any)
		if !isSection {
			f.unsectioned(section)
			continue
		}
		for key, value := range keys {
			f.take(section, key, value)
		}
	}
	return f
}

// keyLines finds the line of each key and section. content is valid TOML.
func keyLines(content []byte) map[string]int {
	lines := map[string]int{}
	var parser unstable.Parser
	parser.Reset(content)
	section := ""
	for parser.NextExpression() {
		expression := parser.Expression()
		key, line := "", 0
		for parts := expression.Key(); parts.Next(); {
			if line == 0 {
				line = parser.Shape(parts.Node().Raw).Start.Line
			}
			key = strings.TrimPrefix(key+"."+string(parts.Node().Data), ".")
		}
		if expression.Kind == unstable.KeyValue {
			key = strings.TrimPrefix(section+"."+key, ".")
		} else {
			section = key
		}
		for i := range key { // mail.rate.per_minute is also where mail.rate is
			if key[i] == '.' && lines[key[:i]] == 0 {
				lines[key[:i]] = line
			}
		}
		lines[key] = line
	}
	return lines
}

// unsectioned refuses a key that stands in no section.
func (f *file) unsectioned(key string) {
	if v, known := find(strings.ToUpper(key)); known {
		f.refuse(v, key)
		return
	}
	f.add(key, "%s: a key stands in a section (example: [site])", key)
}

// refuse says where a variable belongs that is no setting.
func (f *file) refuse(v Variable, key string) {
	f.refused[v.Name] = true
	switch v.Kind {
	case Secret:
		f.add(key, "%s: a secret does not belong in a file; put %s into a secret of Secrets Manager or into the environment", key, v.Name)
	case Infrastructure:
		f.add(key, "%s: %s is given by template.yaml, not by a file", key, v.Name)
	default:
		f.add(key, "%s: %s is for the local stack and tests", key, v.Name)
	}
}

// take keeps the value of a key, or says what is wrong with it.
func (f *file) take(section, key string, value any) {
	full := section + "." + key
	v, known := find(strings.ToUpper(section + "_" + key))
	switch {
	case !known:
		f.add(full, "%s: unknown; %s", full, suggestion(section, full))
		return
	case v.Kind != File:
		f.refuse(v, full)
		return
	case v.Key() != full: // LIMITS_SUBSCRIBE is limits.subscribe alone
		f.add(full, "%s: unknown; did you mean %s?", full, v.Key())
		return
	}
	text, ok := v.text(value)
	if !ok {
		f.refused[v.Name] = true
		f.add(full, "%s: must be %s (example: %s)", full, v.form(), v.Literal(v.Example))
		return
	}
	f.values[v.Name] = text
}

// suggestion names the nearest section, or the nearest key of a section that exists.
func suggestion(section, full string) string {
	var sections, keys []string
	for _, v := range All() {
		if v.Kind == File {
			sections, keys = append(sections, v.Section()), append(keys, v.Key())
		}
	}
	if !slices.Contains(sections, section) {
		return "did you mean the section [" + nearest(section, sections) + "]?"
	}
	return "did you mean " + nearest(full, keys) + "?"
}

// nearest returns the word with the fewest letters to change, take out or put in.
func nearest(word string, words []string) string {
	return slices.MinFunc(words, func(a, b string) int { return distance(word, a) - distance(word, b) })
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// form is the type that a setting has in TOML.
func (v Variable) form() string {
	switch {
	case v.field.Kind() == reflect.Slice:
		return "a list of texts"
	case v.field.Kind() == reflect.String || v.field.Kind() == reflect.Struct:
		return "a text"
	}
	if _, err := strconv.ParseBool(v.Example); err == nil {
		return "true or false"
	}
	if _, err := strconv.ParseFloat(v.Example, 64); err == nil {
		return "a number"
	}
	return "a text"
}

// text is a value of a file as the environment would have it; ok is false if it has another type.
func (v Variable) text(value any) (text string, ok bool) {
	switch value := value.(type) {
	case string:
		return value, v.form() == "a text"
	case bool:
		return strconv.FormatBool(value), v.form() == "true or false"
	case int64:
		return strconv.FormatInt(value, 10), v.form() == "a number"
	case float64:
		return strconv.FormatFloat(value, 'g', -1, 64), v.form() == "a number"
	case []any:
		var items []string
		for _, item := range value {
			item, isText := item.(string)
			if !isText || strings.Contains(item, ",") { // which separates items in the environment
				return "", false
			}
			items = append(items, item)
		}
		return strings.Join(items, ","), v.form() == "a list of texts"
	}
	return "", false
}

// Literal is a value, as the environment has it, in TOML.
func (v Variable) Literal(text string) string {
	switch v.form() {
	case "a list of texts":
		var items []string
		for item := range strings.SplitSeq(text, ",") {
			if item != "" {
				items = append(items, strconv.Quote(item))
			}
		}
		return "[" + strings.Join(items, ", ") + "]"
	case "a text":
		return strconv.Quote(strings.ReplaceAll(text, `\n`, "\n")) // the environment has a line's end as two letters
	}
	return text
}
