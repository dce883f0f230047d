// Package config turns environment variables, Secrets Manager secrets and the settings that a function was built with into
// one struct for each use.
//
// A value is looked for in the environment, then in the secrets, then in the file settings.json beside the binary, and is
// the field's default where none has it. Every mistake is collected, so that one deployment shows all of them, and no
// mistake prints a value: an error names the variable and what was expected of it. Secrets are Sealed from the moment they
// are read. An empty variable counts as not set, because a deployment template cannot leave one out.
//
// A field `env:"LIMITS_SUBSCRIBE"` is a setting: section and key limits.subscribe of settings/<environment>.toml. A field
// of type Sealed is a secret and never stands in a file. The tag from:"template" marks what the deployment gives, and
// from:"local" what only the local stack and tests give. A field with envDefault and without env is a constant that tests
// can change.
//
// Failure policy: a secret that cannot be fetched is an error of FromOS; the function does not start.
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

// Env is a set of variables, the mistakes found in it so far, and a record of what was asked for. It is not safe for
// concurrent use.
type Env struct {
	own      map[string]string // the environment as it was set
	file     map[string]string // settings.json
	values   map[string]string // what counts
	origins  map[string]Origin // of values
	asked    map[string]bool
	fetch    fetcher // nil: there are no secrets
	unread   bool    // a secret could not be read: what is not set may be in it
	problems []error
}

// Origin is where a value came from.
type Origin string

// The origins, in the order in which a value is looked for.
const (
	InEnvironment Origin = "environment"
	InSecret      Origin = "secret"
	InFile        Origin = "file"
	Default       Origin = "default" // or not set at all
)

// fetcher reads secrets and merges their values.
type fetcher func(ctx context.Context, arns []string) (map[string]string, error)

// Source names the secrets.
type Source struct {
	// ARNs names the Secrets Manager secrets that hold further variables, separated by commas: each is a JSON object of
	// names to strings. A later secret wins over an earlier one, and the environment wins over all. Default none.
	ARNs []string `env:"SECRETS_ARN" from:"template"`
}

// FileName is the file of an artifact that holds its settings: a JSON object of variables' names to texts, and the name of
// the environment that it was built for as ENVIRONMENT.
const FileName = "settings.json"

// FromMap makes an Env of vars, for tests and tools. SECRETS_ARN is not followed.
func FromMap(vars map[string]string) *Env { return newEnv(vars, nil, nil) }

// FromSettings makes an Env of what a settings file holds and nothing else.
func FromSettings(settings map[string]string) *Env { return newEnv(nil, settings, nil) }

// FromOS reads the process's environment, the settings beside the binary (in LAMBDA_TASK_ROOT, where that is set) and,
// where SECRETS_ARN is set, the secrets that it names. Besides an error it returns an Env without what could not be read,
// enough to report the error.
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

// readFile reads the settings file in a folder, or beside the binary. Without one there are no settings.
func readFile(folder string) (map[string]string, error) {
	if folder == "" {
		binary, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("find %s: %w", FileName, err)
		}
		folder = filepath.Dir(binary)
	}
	text, err := os.ReadFile(filepath.Join(folder, FileName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the settings: %w", err)
	}
	var settings map[string]string
	if err := json.Unmarshal(text, &settings); err != nil {
		return nil, fmt.Errorf("%s: must be a JSON object of names to strings; build the function again", FileName)
	}
	return settings, nil
}

// Reload reads the secrets again, for keys that were rotated since. The caller limits how often. An Env without secrets
// gives the same values again. Mistakes found so far do not carry over.
func (e *Env) Reload(ctx context.Context) (*Env, error) { return load(ctx, e.own, e.file, e.fetch) }

func newEnv(own, file map[string]string, fetch fetcher) *Env {
	e := &Env{own: own, file: file, fetch: fetch, values: map[string]string{}, origins: map[string]Origin{}, asked: map[string]bool{}}
	e.merge(own, InEnvironment)
	e.merge(file, InFile)
	return e
}

// merge takes over what is not empty and has no value of a higher rank.
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

// Lookup returns the value of one variable that is set and not empty.
func (e *Env) Lookup(name string) (string, bool) {
	e.asked[name] = true
	value, found := e.values[name]
	return value, found
}

// BuiltFor returns the name of the environment that the artifact was built for; empty if it has no settings file.
func (e *Env) BuiltFor() string { return e.file["ENVIRONMENT"] }

// Asked returns the names of all variables that were asked for so far, and where the value of each came from.
func (e *Env) Asked() map[string]Origin {
	asked := make(map[string]Origin, len(e.asked))
	for name := range e.asked {
		if asked[name] = e.origins[name]; asked[name] == "" {
			asked[name] = Default
		}
	}
	return asked
}

// Fields yields the fields of a struct type that are variables, with the variable's name; nested structs are searched too.
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

// Read fills a new T as Env.Read does.
func Read[T any](e *Env) T {
	var c T
	e.Read(&c)
	return c
}

// Read fills the struct that dst points to from its `env` tags and then, if dst has a method Validate() error, calls it;
// that error may be the errors.Join of several, each beginning with the name of a variable and a colon. Mistakes are
// collected for Err. What Validate says about a variable that could not be read is left out.
func (e *Env) Read(dst any) {
	for name := range Fields(reflect.TypeOf(dst).Elem()) {
		e.asked[name] = true
	}
	var broken []string
	for _, err := range parseErrors(env.ParseWithOptions(dst, env.Options{Environment: e.values})) {
		name, told := explain(dst, err)
		broken = append(broken, name)
		if told == nil {
			told = e.required(name)
		}
		e.Add(mistake(dst, told))
	}
	for _, err := range validate(reflect.ValueOf(dst)) {
		follows := func(name string) bool { return name != "" && strings.Contains(err.Error(), name) }
		if !slices.ContainsFunc(broken, follows) {
			e.Add(mistake(dst, err))
		}
	}
}

// validate returns what the structs inside the one that v points to, and then that one itself, say is wrong with them.
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

// Add collects a mistake, or each of those that errors.Join combined; nil is none. It keeps the first mistake of a variable:
// a second one most often follows from it.
func (e *Env) Add(err error) {
	for _, mistake := range flatten(err) {
		known := func(other error) bool { return subject(other) == subject(mistake) }
		if !slices.ContainsFunc(e.problems, known) {
			e.problems = append(e.problems, mistake)
		}
	}
}

// Problems returns all mistakes found so far.
func (e *Env) Problems() []error { return e.problems }

// required returns the mistake that a variable is required and not set. It is nil when a secret could not be read, because
// the variable may be in it.
func (e *Env) required(name string) error {
	if e.unread {
		return nil
	}
	return fmt.Errorf("%s: required, but not set", name)
}

// subject returns the variable that a mistake begins with, or else its whole text.
func subject(mistake error) string {
	name, _, _ := strings.Cut(mistake.Error(), ": ")
	if strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == "" {
		return name
	}
	return mistake.Error()
}

// Err returns all mistakes found so far, one a line, or nil.
func (e *Env) Err() error {
	if len(e.problems) == 0 {
		return nil
	}
	return mistakes(slices.Clone(e.problems))
}

// mistakes do not unwrap, because a report repeats what an error wraps: each mistake would arrive twice.
type mistakes []error

func (m mistakes) Error() string { return errors.Join(m...).Error() }

// Is reports whether one of the mistakes is target, for errors.Is.
func (m mistakes) Is(target error) bool { return errors.Is(errors.Join(m...), target) }
