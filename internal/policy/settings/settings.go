// Package settings describes every variable that the functions read: its meaning, where it is set, and which functions
// read it. It checks the files settings/<environment>.toml, packs each function's part of one, and generates the
// documents about them.
//
// All of it comes from the structs that the functions read (groups.go): names, defaults and examples from their tags,
// the texts from their comments, and the checks from their Validate methods. Which function reads a variable is
// recorded from a run of the function (internal/policy/settings/record).
package settings

import (
	"cmp"
	"reflect"
	"slices"
	"strings"
	"sync"

	"newsletter/internal/policy/settings/record"
	"newsletter/shared/config"
)

// Kind is where a variable is set.
type Kind string

// The kinds.
const (
	File           Kind = "file"           // settings/<environment>.toml
	Secret         Kind = "secret"         // Secrets Manager or the environment, never a file
	Infrastructure Kind = "infrastructure" // template.yaml
	Local          Kind = "local"          // the local stack and tests
)

// Variable is one variable.
type Variable struct {
	Name     string // LIMITS_SUBSCRIBE
	Kind     Kind
	Default  string // in the form of an environment variable; empty for none
	Example  string // an example, or the default
	Required bool
	Group    string // the heading under which it is documented

	field reflect.Type
}

// Key returns the section and key of a setting in a file: limits.subscribe. The declared fields are a section without a
// key: fields.
func (v Variable) Key() string { return strings.TrimSuffix(v.Section()+"."+v.key(), ".") }

// Section returns the part of the name before the first underscore, in lower case.
func (v Variable) Section() string {
	section, _, _ := strings.Cut(v.Name, "_")
	return strings.ToLower(section)
}

func (v Variable) key() string {
	_, key, _ := strings.Cut(v.Name, "_")
	return strings.ToLower(key)
}

// first lists the five most important variables.
var first = []string{"SITE_NAME", "SITE_POSTAL_ADDRESS", "SITE_PUBLIC_URL", "SITE_ALLOWED_ORIGINS", "MAIL_FROM"}

// all lists the variables: the five most important ones, then all others by group.
func all() []Variable { return slices.Clone(known()) }

var known = sync.OnceValue(func() []Variable {
	var all []Variable
	for _, g := range groups {
		for _, structure := range g.structs {
			for name, field := range config.Fields(reflect.TypeOf(structure)) {
				if !slices.ContainsFunc(all, func(v Variable) bool { return v.Name == name }) {
					all = append(all, variable(name, field, g.title))
				}
			}
		}
	}
	rank := func(v Variable) int {
		if i := slices.Index(first, v.Name); i >= 0 {
			return i
		}
		return len(first)
	}
	slices.SortStableFunc(all, func(a, b Variable) int { return cmp.Compare(rank(a), rank(b)) })
	return all
})

func variable(name string, field reflect.StructField, group string) Variable {
	v := Variable{
		Name: name, Kind: File, Default: field.Tag.Get("envDefault"), Example: config.Sample(field), Group: group, field: field.Type,
		Required: strings.HasSuffix(field.Tag.Get("env"), ",required"),
	}
	switch {
	case field.Type == reflect.TypeFor[config.Sealed]():
		v.Kind = Secret
	case field.Tag.Get("from") == "template":
		v.Kind = Infrastructure
	case field.Tag.Get("from") == "local":
		v.Kind = Local
	}
	return v
}

// Reads lists the variables that a function reads, by name.
func Reads(function string) []Variable {
	var read []Variable
	for _, name := range record.Reads[function].All() {
		if v, known := find(name); known {
			read = append(read, v)
		}
	}
	return read
}

func find(name string) (Variable, bool) {
	all := known()
	if i := slices.IndexFunc(all, func(v Variable) bool { return v.Name == name }); i >= 0 {
		return all[i], true
	}
	return Variable{}, false
}
