package settings

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"newsletter/shared/field"
)

// file is a settings file with its values by variable name and its problems.
type file struct {
	name     string
	lines    map[string]int // of each key, by section.key
	values   map[string]string
	refused  map[string]bool // variables without a value because theirs is invalid
	problems []problem
}

// problem is an error, at a line or without one.
type problem struct {
	line int
	text string
}

func (f *file) add(key, format string, arguments ...any) {
	f.problems = append(f.problems, problem{f.lines[key], fmt.Sprintf(format, arguments...)})
}

// parse parses a file. Errors in its syntax and its keys are problems of the result.
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
		if v, _ := find(strings.ToUpper(section)); v.isFields() {
			f.takeFields(v, keys)
			continue
		}
		for key, value := range keys {
			f.take(section, key, value)
		}
	}
	return f
}

// keyLines returns the line of each key and section. content is valid TOML.
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
		for i := range key { // mail.rate.per_minute also defines mail.rate
			if key[i] == '.' && lines[key[:i]] == 0 {
				lines[key[:i]] = line
			}
		}
		lines[key] = line
	}
	return lines
}

// unsectioned refuses a key outside any section.
func (f *file) unsectioned(key string) {
	if v, known := find(strings.ToUpper(key)); known {
		f.refuse(v, key)
		return
	}
	f.add(key, "%s: must be in a section (example: [site])", key)
}

// refuse adds a problem for a variable that does not belong in a file, with the right place.
func (f *file) refuse(v Variable, key string) {
	f.refused[v.Name] = true
	switch v.Kind {
	case Secret:
		f.add(key, "%s: secrets are not allowed in a file; put %s into a secret of Secrets Manager or into the environment", key, v.Name)
	case Infrastructure:
		f.add(key, "%s: %s is set by template.yaml, not by a file", key, v.Name)
	default:
		f.add(key, "%s: %s is for the local stack and tests", key, v.Name)
	}
}

// take stores the value of a key, or adds a problem.
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

// takeFields stores the declarations of fields, which are sections of their own, or adds their problems.
func (f *file) takeFields(v Variable, declared map[string]any) {
	text, err := json.Marshal(declared)
	if err != nil { // TOML has more numbers than JSON, such as inf
		f.refused[v.Name] = true
		f.add(v.Section(), "%s: must have texts, whole numbers and lists only", v.Section())
		return
	}
	_, mistakes := field.Parse(string(text))
	for _, m := range mistakes {
		f.refused[v.Name] = true
		key, example := v.Section(), ""
		if m.Path != "" {
			key += "." + m.Path
		}
		if m.Example != "" {
			example = " (example: " + m.Example + ")"
		}
		f.problems = append(f.problems, problem{f.lineOf(key), key + ": " + m.Rule + example})
	}
	f.values[v.Name] = string(text)
}

// lineOf returns the line of a key, or of the section that lacks it.
func (f *file) lineOf(key string) int {
	for f.lines[key] == 0 && strings.Contains(key, ".") {
		key = key[:strings.LastIndexByte(key, '.')]
	}
	return f.lines[key]
}

// suggestion returns the nearest section, or the nearest key if the section exists.
func suggestion(section, full string) string {
	var sections, keys []string
	for _, v := range all() {
		if v.Kind == File {
			sections, keys = append(sections, v.Section()), append(keys, v.Key())
		}
	}
	if !slices.Contains(sections, section) {
		return "did you mean the section [" + nearest(section, sections) + "]?"
	}
	return "did you mean " + nearest(full, keys) + "?"
}

// nearest returns the word with the smallest distance.
func nearest(word string, words []string) string {
	return slices.MinFunc(words, func(a, b string) int { return distance(word, a) - distance(word, b) })
}

// distance returns the Levenshtein distance.
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

// form returns the type of a setting in TOML.
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

// isFields reports whether v declares fields, whose section has a section for each.
func (v Variable) isFields() bool { return v.field == reflect.TypeFor[field.JSON]() }

// text returns a value of a file in the form of an environment variable; ok is false if it has another type.
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

// Literal returns a value of an environment variable in TOML.
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
		return strconv.Quote(strings.ReplaceAll(text, `\n`, "\n")) // environment variables write a line break as \n
	}
	return text
}
