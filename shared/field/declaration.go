// Package field has the declared fields: what an owner wants to know of a subscriber besides the address, each with a
// type, a purpose, a retention period and the destinations that may receive it.
//
// Invariants: a value is typed and validated here alone, and has one form for one meaning. A declaration bounds its
// values, so that all of them together fit into MaxSize. Nothing here does I/O or keeps state.
package field

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"newsletter/shared/ledger"
)

// Type is the type of a field's values.
type Type string

// The types.
const (
	Text    Type = "text"    // characters on one line
	Choice  Type = "choice"  // one of the declared choices
	Boolean Type = "boolean" // true or false
	Date    Type = "date"    // a day, as YYYY-MM-DD
)

// A Destination may receive the values of a field. The names are those of the outbox, except that Webhook is every
// endpoint.
type Destination string

// The destinations.
const (
	Loops   Destination = "loops"
	Webhook Destination = "webhook"
)

const (
	// MaxFields is the number of fields that can be declared.
	MaxFields = 20
	// MaxSize bounds the values of a subscriber, in bytes as PostgreSQL stores them: MaxFields texts of the default
	// length fit, and a row with them fits into a page, whose 8 KiB is the limit of a value that is not compressed.
	MaxSize = 7 << 10

	defaultLength = 80   // characters
	maxLength     = 250  // characters
	maxChoices    = 50   // a list that a visitor can read
	maxChoice     = 80   // bytes
	maxPurpose    = 200  // bytes
	maxRetention  = 3650 // days
	perField      = 8    // bytes of jsonb for a name and a value, beside both
)

// Declaration declares a field.
type Declaration struct {
	Name string `json:"name"`
	Type Type   `json:"type"`
	// Purpose states the reason for asking, in the words that subscribers see in the copy of their data.
	Purpose string `json:"purpose"`
	// Choices are the values of a choice.
	Choices []string `json:"choices,omitempty"`
	// MaxLength bounds a text, in characters.
	MaxLength int `json:"max_length,omitempty"`
	// RetentionDays is the number of days for which a value is kept after the subscriber's values last changed; 0 for as
	// long as the subscriber.
	RetentionDays int `json:"retention_days,omitempty"`
	// Destinations may receive the values; none by default.
	Destinations []Destination `json:"destinations,omitempty"`
}

// Declarations are all declared fields, by name.
type Declarations []Declaration

// JSON is the declarations as one setting: a JSON object of names to objects with the members type, purpose, choices,
// max_length, retention_days and destinations. In a settings file, each field is a section of its own.
type JSON string

// Config is the setting of fields.
type Config struct {
	// The fields that sign-ups and lists may have besides the address, at most 20. Each has a type (text, choice, boolean
	// or date) and a purpose, which subscribers see in the copy of their data; a choice has choices. A text has at most
	// max_length characters (80 by default, 250 at most). A value is deleted retention_days after the subscriber's values
	// last changed; without, it is kept as long as the subscriber. Only the named destinations (loops, webhook) receive
	// it. Empty: no fields.
	Declared JSON `env:"FIELDS" example:"{\"company\":{\"type\":\"text\",\"purpose\":\"to write about your industry\",\"destinations\":[\"loops\"]}}"`
}

// Validate implements the check of config.Env.Read.
func (c Config) Validate() error {
	_, mistakes := Parse(string(c.Declared))
	if len(mistakes) == 0 {
		return nil
	}
	texts := make([]string, len(mistakes))
	for i, m := range mistakes {
		texts[i] = m.Error()
	}
	return fmt.Errorf("FIELDS: %s", strings.Join(texts, "; "))
}

// Declarations returns the declared fields of a valid Config.
func (c Config) Declarations() Declarations {
	all, _ := Parse(string(c.Declared))
	return all
}

// Mistake is an error in a declaration.
type Mistake struct {
	Path    string // of the member, such as "company.type"; empty for the whole setting
	Rule    string
	Example string // as JSON; empty for none
}

// Error implements error.
func (m Mistake) Error() string { return strings.TrimPrefix(m.Path+": "+m.Rule, ": ") }

// Parse parses a setting of the form of JSON and returns all mistakes, in the order of the names. An empty text declares
// nothing.
func Parse(text string) (Declarations, []Mistake) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var sections map[string]json.RawMessage
	if json.Unmarshal([]byte(text), &sections) != nil {
		return nil, []Mistake{{"", "must be a JSON object of names to declarations", ""}}
	}
	var all Declarations
	var mistakes []Mistake
	for name, section := range sections {
		d, wrong := parse(name, section)
		all, mistakes = append(all, d), append(mistakes, wrong...)
	}
	slices.SortFunc(all, func(a, b Declaration) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(mistakes, func(a, b Mistake) int { return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Rule, b.Rule)) })
	for i, d := range all { // lists and Loops write names without underscores
		same := func(other Declaration) bool { return plain(other.Name) == plain(d.Name) }
		if j := slices.IndexFunc(all[:i], same); j >= 0 {
			mistakes = append(mistakes, Mistake{d.Name, "the name differs from " + all[j].Name + " only by underscores", ""})
		}
	}
	if len(all) > MaxFields {
		mistakes = append(mistakes, Mistake{"", fmt.Sprintf("at most %d fields", MaxFields), ""})
	}
	if size := all.size(); len(mistakes) == 0 && size > MaxSize {
		mistakes = append(mistakes, Mistake{"", fmt.Sprintf("the values of all fields may take %d bytes together (4 for a character), and the limit is %d; lower max_length", size, MaxSize), ""})
	}
	return all, mistakes
}

// names is the form of a field's name.
var names = regexp.MustCompile(`^[a-z][a-z0-9_]{0,29}$`)

// taken are names that mean something else in a sign-up, in a list, or at a destination.
var taken = strings.Fields(`email consent granted text_version source page referrer ref utm_source utm_medium utm_campaign utm_term utm_content
	locale captcha_token website started_at fields visitor status id event_id subscriber_id outcome reason subscribed user_id mailing_lists
	unsubscribe_url opt_in_status list_id soft_delete_at team_id created_at updated_at notes`)

func plain(name string) string { return strings.ReplaceAll(name, "_", "") }

func parse(name string, section json.RawMessage) (Declaration, []Mistake) {
	d := Declaration{Name: name}
	var mistakes []Mistake
	wrong := func(member, example, rule string, arguments ...any) {
		mistakes = append(mistakes, Mistake{strings.TrimSuffix(name+"."+member, "."), fmt.Sprintf(rule, arguments...), example})
	}
	if !names.MatchString(name) || slices.Contains(taken, name) {
		wrong("", `"company"`, "the name must be up to 30 lower-case letters, digits and underscores, begin with a letter, and not be a name of the sign-up itself, such as email or source")
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(section, &members) != nil {
		wrong("", "", "must be a section [fields.%s]", name)
		return d, mistakes
	}
	take := func(member string, into any, form, example string) {
		text, found := members[member]
		delete(members, member)
		if found && (bytes.Equal(text, []byte("null")) || json.Unmarshal(text, into) != nil) {
			wrong(member, example, "must be %s", form)
		}
	}
	take("type", &d.Type, "a text", `"text"`)
	take("purpose", &d.Purpose, "a text", `"to write about your industry"`)
	take("choices", &d.Choices, "a list of texts", `["weekly", "monthly"]`)
	take("max_length", &d.MaxLength, "a whole number", "80")
	take("retention_days", &d.RetentionDays, "a whole number", "365")
	take("destinations", &d.Destinations, "a list of texts", `["loops"]`)
	for member := range members {
		wrong(member, "", "unknown; known: type, purpose, choices, max_length, retention_days, destinations")
	}
	if len(mistakes) == 0 {
		d.check(wrong)
	}
	if d.Type == Text && d.MaxLength == 0 {
		d.MaxLength = defaultLength
	}
	return d, mistakes
}

// check passes what is wrong to wrong.
func (d Declaration) check(wrong func(member, example, rule string, arguments ...any)) {
	if !slices.Contains([]Type{Text, Choice, Boolean, Date}, d.Type) {
		wrong("type", `"text"`, "must be text, choice, boolean or date")
	}
	if d.Purpose == "" || len(d.Purpose) > maxPurpose || ledger.Printable(d.Purpose, maxPurpose) != d.Purpose {
		wrong("purpose", `"to write about your industry"`, "must say why the value is asked for, in at most %d bytes on one line", maxPurpose)
	}
	if err := d.checkChoices(); err != nil {
		wrong("choices", `["weekly", "monthly"]`, "%s", err)
	}
	if d.MaxLength != 0 && (d.Type != Text || d.MaxLength < 1 || d.MaxLength > maxLength) {
		wrong("max_length", "80", "must be between 1 and %d characters, and only of a text", maxLength)
	}
	if d.RetentionDays < 0 || d.RetentionDays > maxRetention {
		wrong("retention_days", "365", "must be between 0 and %d", maxRetention)
	}
	for i, to := range d.Destinations {
		if to != Loops && to != Webhook || slices.Contains(d.Destinations[:i], to) {
			wrong("destinations", `["loops"]`, "must be loops, webhook, or both")
			break
		}
	}
}

func (d Declaration) checkChoices() error {
	if d.Type != Choice {
		if len(d.Choices) > 0 {
			return errors.New("only a field of the type choice has them")
		}
		return nil
	}
	for i, choice := range d.Choices {
		same := func(other string) bool { return strings.EqualFold(other, choice) }
		if choice == "" || len(choice) > maxChoice || strings.TrimSpace(ledger.Printable(choice, maxChoice)) != choice || slices.ContainsFunc(d.Choices[:i], same) {
			return fmt.Errorf("each must be different text on one line, of at most %d bytes", maxChoice)
		}
	}
	if len(d.Choices) == 0 || len(d.Choices) > maxChoices {
		return fmt.Errorf("must be 1 to %d texts", maxChoices)
	}
	return nil
}

// size returns how many bytes values of all fields can have as jsonb.
func (all Declarations) size() int {
	size := 8
	for _, d := range all {
		size += len(d.Name) + perField
		switch d.Type {
		case Text:
			size += utf8.UTFMax * d.MaxLength
		case Choice:
			longest := 0
			for _, choice := range d.Choices {
				longest = max(longest, len(choice))
			}
			size += longest
		case Date:
			size += len("2006-01-02")
		case Boolean:
		}
	}
	return size
}

// Find returns the declaration of a name.
func (all Declarations) Find(name string) (d Declaration, found bool) {
	i := slices.IndexFunc(all, func(d Declaration) bool { return d.Name == name })
	if i < 0 {
		return d, false
	}
	return all[i], true
}

// Names returns the names of all fields.
func (all Declarations) Names() []string {
	list := make([]string, len(all))
	for i, d := range all {
		list[i] = d.Name
	}
	return list
}

// For returns the fields whose declaration names a destination.
func (all Declarations) For(to Destination) Declarations {
	return slices.DeleteFunc(slices.Clone(all), func(d Declaration) bool { return !slices.Contains(d.Destinations, to) })
}
