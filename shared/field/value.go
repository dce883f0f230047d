package field

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"newsletter/shared/ledger"
)

// Values are the values of a subscriber by the names of their fields: true or false of a boolean, and text of every other
// type. A field without a value has no member.
type Values map[string]any

// ParseValues decodes values as they are stored; it returns none for an empty text and for anything else.
func ParseValues(text string) Values {
	var v Values
	if json.Unmarshal([]byte(text), &v) != nil {
		return nil
	}
	return v
}

// JSON encodes values as they are stored; it is empty for none.
func (v Values) JSON() string {
	if len(v) == 0 {
		return ""
	}
	encoded, err := json.Marshal(v)
	if err != nil { // only of types that no value has
		return ""
	}
	return string(encoded)
}

// Text returns the value of a field as text that Declaration.Parse takes; empty for none.
func (v Values) Text(name string) string {
	switch value := v[name].(type) {
	case string:
		return value
	case bool:
		return strconv.FormatBool(value)
	}
	return ""
}

// Only returns the values of the given fields. Values of other fields, as of one whose declaration was removed, are left
// out, and so are values that no longer fit a declaration that was changed.
func (v Values) Only(all Declarations) Values {
	only := Values{}
	for _, d := range all {
		if value, fits := d.Parse(v.Text(d.Name)); fits {
			only[d.Name] = value
		}
	}
	return only
}

// yes and no are the words for a boolean.
var yes, no = []string{"true", "yes", "on", "1"}, []string{"false", "no", "off", "0"}

// The earliest and the latest year of a date: of people alive and of plans that they can have.
const firstYear, lastYear = 1900, 2199

// Parse returns the value that a text means. It reports false for a text that is empty or does not fit the declaration,
// such as one that is too long, no date or none of the choices.
func (d Declaration) Parse(typed string) (value any, fits bool) {
	text := strings.TrimSpace(ledger.Printable(typed, len(typed)))
	switch d.Type {
	case Text:
		return text, text != "" && utf8.RuneCountInString(text) <= d.MaxLength
	case Choice:
		i := slices.IndexFunc(d.Choices, func(choice string) bool { return strings.EqualFold(choice, text) })
		if i < 0 {
			return nil, false
		}
		return d.Choices[i], true
	case Boolean:
		word := strings.ToLower(text)
		return slices.Contains(yes, word), slices.Contains(yes, word) || slices.Contains(no, word)
	case Date:
		day, err := time.Parse(time.DateOnly, text)
		return text, err == nil && day.Year() >= firstYear && day.Year() <= lastYear
	}
	return nil, false
}

// TakesJSON reports whether a JSON value has the type of the field, true or false of a boolean and a text of every other
// type, and returns the value as text for Parse, which checks its content.
func (d Declaration) TakesJSON(value any) (text string, ok bool) {
	switch value := value.(type) {
	case string:
		return value, d.Type != Boolean
	case bool:
		return strconv.FormatBool(value), d.Type == Boolean
	}
	return "", false
}

// JSONForm returns the form of a field's JSON values, for an error.
func (d Declaration) JSONForm() string {
	if d.Type == Boolean {
		return "true or false"
	}
	return "a text"
}
