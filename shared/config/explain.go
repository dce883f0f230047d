package config

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// module is the prefix of this module's import paths. Errors of UnmarshalText of its types contain no values.
const module = "newsletter/"

// Mistake is an error in one variable.
type Mistake struct {
	Name string
	// Err begins with the name and describes the expected value.
	Err error
	// Example is a valid value in the form of an environment variable; empty for secrets.
	Example string
}

// Error implements error.
func (m *Mistake) Error() string {
	if m.Example == "" {
		return m.Err.Error()
	}
	return m.Err.Error() + " (example: " + m.Example + ")"
}

// Unwrap returns the cause.
func (m *Mistake) Unwrap() error { return m.Err }

// mistake adds an example to an error that begins with a variable of dst. It returns nil for nil.
func mistake(dst any, err error) error {
	if err == nil {
		return nil
	}
	named, _, _ := strings.Cut(err.Error(), ":")
	for name, field := range Fields(reflect.TypeOf(dst).Elem()) {
		if name == named {
			return &Mistake{name, err, Sample(field)}
		}
	}
	return err
}

// Sample returns a field's example, or its default, in the form of an environment variable.
func Sample(field reflect.StructField) string {
	return cmp.Or(field.Tag.Get("example"), field.Tag.Get("envDefault"))
}

// parseErrors splits the parser's error.
func parseErrors(err error) []error {
	if all, ok := errors.AsType[env.AggregateError](err); ok {
		return all.Errors
	}
	return flatten(err)
}

// flatten splits errors that errors.Join combined. It keeps an error that wraps several in a sentence.
func flatten(err error) []error {
	if err == nil {
		return nil
	}
	if m, ok := err.(mistakes); ok { //nolint:errorlint // a wrapped one is split below
		return m
	}
	several, ok := err.(interface{ Unwrap() []error })
	if !ok || errors.Join(several.Unwrap()...).Error() != err.Error() {
		return []error{err}
	}
	var parts []error
	for _, part := range several.Unwrap() {
		parts = append(parts, flatten(part)...)
	}
	return parts
}

// explain returns an error's variable and describes the expected value. A nil error means not set. The parser's message
// is dropped, because it repeats the value, which may be secret.
func explain(dst any, err error) (string, error) {
	if unset, ok := errors.AsType[env.VarIsNotSetError](err); ok {
		return unset.Key, nil
	}
	parse, ok := errors.AsType[env.ParseError](err)
	if !ok {
		return "", err // an error in the struct itself, which names the field
	}
	name := variable(reflect.TypeOf(dst), parse)
	if ours(parse.Type) {
		return name, fmt.Errorf("%s: %w", name, parse.Err)
	}
	return name, fmt.Errorf("%s: must be %s", name, describe(parse.Type))
}

// variable returns the variable of the field that the parser names. It descends into nested structs.
func variable(t reflect.Type, parse env.ParseError) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return parse.Name
	}
	for i := range t.NumField() {
		field := t.Field(i)
		if tag, _, _ := strings.Cut(field.Tag.Get("env"), ","); tag != "" {
			if field.Name == parse.Name && field.Type == parse.Type {
				return tag
			}
		} else if name := variable(field.Type, parse); name != parse.Name {
			return name
		}
	}
	return parse.Name
}

func ours(t reflect.Type) bool {
	for t != nil && t.PkgPath() == "" && (t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice) {
		t = t.Elem()
	}
	return t != nil && strings.HasPrefix(t.PkgPath(), module)
}

func describe(t reflect.Type) string {
	switch t {
	case nil:
		return "a value of another type"
	case reflect.TypeFor[time.Duration]():
		return "a duration in the form 90s or 1h30m"
	case reflect.TypeFor[slog.Level]():
		return "DEBUG, INFO, WARN or ERROR"
	}
	switch t.Kind() {
	case reflect.Bool:
		return `"true" or "false"`
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a non-negative whole number"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Slice:
		return "a comma-separated list, each item " + describe(t.Elem())
	default:
		return "a value of type " + t.String()
	}
}
