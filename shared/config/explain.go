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

// module begins the import path of our own types, whose UnmarshalText explains its errors without secrets.
const module = "newsletter/"

// Mistake is what is wrong with one variable.
type Mistake struct {
	Name string
	// Err begins with the name and says what is expected.
	Err error
	// Example is a value that would do, as the environment has it; empty for secrets.
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

// mistake adds the example of the field of dst that err begins with. Nil is none.
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

// Sample returns a value of a field as the environment has it: its example, or its default.
func Sample(field reflect.StructField) string {
	return cmp.Or(field.Tag.Get("example"), field.Tag.Get("envDefault"))
}

// parseErrors takes apart what the parser gives.
func parseErrors(err error) []error {
	if all, ok := errors.AsType[env.AggregateError](err); ok {
		return all.Errors
	}
	return flatten(err)
}

// flatten takes apart what errors.Join put together; an error that wraps several in a sentence stays whole.
func flatten(err error) []error {
	if err == nil {
		return nil
	}
	if m, ok := err.(mistakes); ok {
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

// explain returns the variable of an error and what it should be; a nil error means that it is not set. The parser's own message
// repeats the value, which may be secret.
func explain(dst any, err error) (string, error) {
	if unset, ok := errors.AsType[env.VarIsNotSetError](err); ok {
		return unset.Key, nil
	}
	parse, ok := errors.AsType[env.ParseError](err)
	if !ok {
		return "", err // a mistake in the struct itself, which names the field
	}
	name := variable(reflect.TypeOf(dst), parse)
	if ours(parse.Type) {
		return name, fmt.Errorf("%s: %w", name, parse.Err)
	}
	return name, fmt.Errorf("%s: must be %s", name, describe(parse.Type))
}

// variable finds the tag of the field that the parser names; nested structs are searched too.
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
		return "another kind of value"
	case reflect.TypeFor[time.Duration]():
		return "a duration of hours, minutes and seconds"
	case reflect.TypeFor[slog.Level]():
		return "DEBUG, INFO, WARN or ERROR"
	}
	switch t.Kind() {
	case reflect.Bool:
		return `"true" or "false"`
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number, 0 or more"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Slice:
		return "a list separated by commas, each " + describe(t.Elem())
	default:
		return "a value of type " + t.String()
	}
}
