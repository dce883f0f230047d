// Package config reads environment variables, Secrets Manager secrets and the settings that a function was built with
// into
// one struct for each use.
//
// A value comes from the environment, the secrets, or the file settings.json beside the binary, in this order, and
// otherwise
// from the field's default. All errors are collected, so that one deployment shows all of them, and no error contains a
// value: it names the variable and the expected form. Secrets are Sealed as soon as they are read. An empty variable
// counts
// as not set, because a deployment template cannot omit one.
//
// A field `env:"LIMITS_SUBSCRIBE"` is a setting: section and key limits.subscribe of settings/<environment>.toml. A
// field
// of type Sealed is a secret and is never in a file. The tag from:"template" marks variables that the deployment
// sets, and
// from:"local" those that only the local stack and tests set. A field with envDefault and without env is a constant
// that
// tests can change.
//
// Failure policy: FromOS returns an error for a secret that cannot be read; the function does not start.
package config

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/caarlos0/env/v11"
)

// Env is a set of variables, with the errors found so far and a record of the variables that were read. It is not
// safe for
// concurrent use.
type Env struct {
	own      map[string]string // the environment as it was set
	file     map[string]string // settings.json
	values   map[string]string // the effective values
	origins  map[string]Origin // of values
	asked    map[string]bool   // variables that were read
	fetch    fetcher           // nil: no secrets
	unread   bool              // a secret could not be read; it may contain variables that seem to be missing
	problems []error
}

// Origin is the source of a value.
type Origin string

// The origins, in order of precedence.
const (
	InEnvironment Origin = "environment"
	InSecret      Origin = "secret"
	InFile        Origin = "file"
	Default       Origin = "default" // or not set at all
)

// fetcher reads secrets and merges their values.
type fetcher func(ctx context.Context, arns []string) (map[string]string, error)

// Source lists the secrets.
type Source struct {
	// The Secrets Manager secrets that contain further variables, separated by commas. Each is a JSON object of names
	// to
	// strings. A later secret overrides an earlier one, and the environment overrides all. Default none.
	ARNs []string `env:"SECRETS_ARN" from:"template"`
}

// fileName is the settings file of an artifact: a JSON object of variable names to texts, with the environment that
// it was
// built for as ENVIRONMENT.
const fileName = "settings.json"

// FromMap returns an Env of vars, for tests and tools. It ignores SECRETS_ARN.
func FromMap(vars map[string]string) *Env { return newEnv(vars, nil, nil) }

// FromSettings returns an Env with only the values of a settings file.
func FromSettings(settings map[string]string) *Env { return newEnv(nil, settings, nil) }

// FromOS reads the process's environment, the settings beside the binary (in LAMBDA_TASK_ROOT, if that is set) and the
// secrets that SECRETS_ARN names. With an error it also returns an Env of everything that could be read, which is
// enough to
// report the error.
func FromOS(ctx context.Context) (*Env, error) {
	own := make(map[string]string)
	for _, pair := range os.Environ() {
		if name, value, found := strings.Cut(pair, "="); found {
			own[name] = value
		}
	}
	file, fileErr := readFile(own["LAMBDA_TASK_ROOT"])
	e, err := load(ctx, own, file, fetchSecrets)
	return e, errors.Join(fileErr, err)
}

// readFile reads the settings file in a folder, or beside the binary. It returns no settings if there is no file.
func readFile(folder string) (map[string]string, error) {
	if folder == "" {
		binary, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("find %s: %w", fileName, err)
		}
		folder = filepath.Dir(binary)
	}
	text, err := os.ReadFile(filepath.Join(folder, fileName)) //nolint:gosec // Lambda sets the folder
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read settings: %w", err)
	}
	var settings map[string]string
	if err := json.Unmarshal(text, &settings); err != nil {
		return nil, fmt.Errorf("%s: must be a JSON object of names to strings; build the function again", fileName)
	}
	return settings, nil
}

// Reload reads the secrets again, for keys that were rotated since. The caller limits how often. Without secrets it
// returns
// the same values. Errors found so far are not carried over.
func (e *Env) Reload(ctx context.Context) (*Env, error) { return load(ctx, e.own, e.file, e.fetch) }

func newEnv(own, file map[string]string, fetch fetcher) *Env {
	e := &Env{own: own, file: file, fetch: fetch, values: map[string]string{}, origins: map[string]Origin{}, asked: map[string]bool{}}
	e.merge(own, InEnvironment)
	e.merge(file, InFile)
	return e
}

// merge adds values that are not empty and that no origin of higher precedence has set.
func (e *Env) merge(values map[string]string, origin Origin) {
	for name, value := range values {
		if known := e.origins[name]; value != "" && (known == "" || known == InFile) {
			e.values[name], e.origins[name] = value, origin
		}
	}
}

func load(ctx context.Context, own, file map[string]string, fetch fetcher) (*Env, error) {
	e := newEnv(own, file, fetch)
	arns := slices.DeleteFunc(Read[Source](e).ARNs, func(arn string) bool { return strings.TrimSpace(arn) == "" })
	if len(arns) == 0 || fetch == nil {
		return e, nil
	}
	secret, err := fetch(ctx, arns)
	if err != nil {
		e.unread = true
		e.Add(err)
		return e, err
	}
	e.merge(secret, InSecret)
	return e, nil
}

// Lookup returns the value of a variable that is set and not empty.
func (e *Env) Lookup(name string) (string, bool) {
	e.asked[name] = true
	value, found := e.values[name]
	return value, found
}

// BuiltFor returns the environment that the artifact was built for, or "" without a settings file.
func (e *Env) BuiltFor() string { return e.file["ENVIRONMENT"] }

// Asked returns the names of all variables that were read so far, each with the origin of its value.
func (e *Env) Asked() map[string]Origin {
	asked := make(map[string]Origin, len(e.asked))
	for name := range e.asked {
		if asked[name] = e.origins[name]; asked[name] == "" {
			asked[name] = Default
		}
	}
	return asked
}

// Fields yields the fields of a struct type that are variables, with the variable's name. It descends into nested
// structs.
func Fields(t reflect.Type) iter.Seq2[string, reflect.StructField] {
	return func(yield func(string, reflect.StructField) bool) { eachField(t, yield) }
}

func eachField(t reflect.Type, yield func(string, reflect.StructField) bool) bool {
	if t.Kind() != reflect.Struct {
		return true
	}
	for field := range t.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("env"), ",")
		if name != "" && !yield(name, field) || name == "" && !eachField(field.Type, yield) {
			return false
		}
	}
	return true
}

// Read fills a new T like Env.Read.
func Read[T any](e *Env) T {
	var c T
	e.Read(&c)
	return c
}

// Read fills the struct that dst points to from its `env` tags and then calls its method Validate() error, if it has
// one.
// That error can be the errors.Join of several, each beginning with the name of a variable and a colon. Err returns the
// collected errors. Errors of Validate about a variable that could not be parsed are dropped.
func (e *Env) Read(dst any) {
	for name := range Fields(reflect.TypeOf(dst).Elem()) {
		e.asked[name] = true
	}
	var broken []string
	for _, err := range parseErrors(env.ParseWithOptions(dst, env.Options{Environment: e.values})) {
		name, cause := explain(dst, err)
		broken = append(broken, name)
		if cause == nil {
			cause = e.required(name)
		}
		e.Add(mistake(dst, cause))
	}
	for _, err := range validate(reflect.ValueOf(dst)) {
		follows := func(name string) bool { return name != "" && strings.Contains(err.Error(), name) }
		if !slices.ContainsFunc(broken, follows) {
			e.Add(mistake(dst, err))
		}
	}
}

// validate returns the errors of the structs nested in the one that v points to, and then those of the struct itself.
func validate(v reflect.Value) (problems []error) {
	for i := range v.Elem().NumField() {
		field := v.Elem().Type().Field(i)
		if field.IsExported() && field.Type.Kind() == reflect.Struct && field.Tag.Get("env") == "" {
			problems = append(problems, validate(v.Elem().Field(i).Addr())...)
		}
	}
	if checked, ok := v.Interface().(interface{ Validate() error }); ok {
		problems = append(problems, flatten(checked.Validate())...)
	}
	return problems
}

// Add collects an error, or each of those that errors.Join combined; it ignores nil. It keeps only the first error of a
// variable, because a second one usually follows from it.
func (e *Env) Add(err error) {
	for _, mistake := range flatten(err) {
		known := func(other error) bool { return subject(other) == subject(mistake) }
		if !slices.ContainsFunc(e.problems, known) {
			e.problems = append(e.problems, mistake)
		}
	}
}

// Problems returns all errors found so far.
func (e *Env) Problems() []error { return e.problems }

// required returns the error for a required variable that is not set. It returns nil when a secret could not be read,
// because that secret may contain the variable.
func (e *Env) required(name string) error {
	if e.unread {
		return nil
	}
	return fmt.Errorf("%s: required, but not set", name)
}

// subject returns the variable that an error begins with, or its whole text.
func subject(mistake error) string {
	name, _, _ := strings.Cut(mistake.Error(), ": ")
	if strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == "" {
		return name
	}
	return mistake.Error()
}

// Err returns all errors found so far, one per line, or nil.
func (e *Env) Err() error {
	if len(e.problems) == 0 {
		return nil
	}
	return mistakes(slices.Clone(e.problems))
}

// mistakes is a list of errors without Unwrap, because a report repeats wrapped errors: each would be reported twice.
type mistakes []error

// Error implements error.
func (m mistakes) Error() string { return errors.Join(m...).Error() }

// Is reports whether one of the errors is target, for errors.Is.
func (m mistakes) Is(target error) bool { return errors.Is(errors.Join(m...), target) }
