// Package config turns environment variables and Secrets Manager secrets into one struct for each adapter.
//
// Every mistake is collected, so that one deployment shows all of them, and no mistake prints a value: an error names the
// variable and what was expected of it. Secrets are Sealed from the moment they are read. An empty variable counts as
// not set, because a deployment template cannot leave one out.
//
// Failure policy: a secret that cannot be fetched is an error of FromOS; the function does not start.
package config

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/caarlos0/env/v11"
)

// Env is a set of variables and the mistakes found in it so far. It is not safe for concurrent use.
type Env struct {
	own      map[string]string // the variables as they were set
	values   map[string]string // own, and below them the values of the secrets
	fetch    fetcher           // nil: there are no secrets
	unread   bool              // a secret could not be read: what is not set may be in it
	problems []error
}

// fetcher reads secrets and merges their values.
type fetcher func(ctx context.Context, arns []string) (map[string]string, error)

// source is where the secrets come from.
type source struct {
	// ARNs names the Secrets Manager secrets that hold further variables: each a JSON object of names to strings. A
	// variable that is set in the environment as well keeps the environment's value. Several are separated by commas;
	// a later one wins over an earlier one.
	ARNs []string `env:"SECRETS_ARN"`
}

// FromMap makes an Env of vars, for tests and tools. SECRETS_ARN is not followed.
func FromMap(vars map[string]string) *Env { return newEnv(vars, nil) }

// FromOS reads the process's environment and, where SECRETS_ARN is set, the secrets that it names. Besides an error it
// gives what the process's environment alone holds, enough to report the error.
func FromOS(ctx context.Context) (*Env, error) {
	own := make(map[string]string)
	for _, pair := range os.Environ() {
		if name, value, found := strings.Cut(pair, "="); found {
			own[name] = value
		}
	}
	return load(ctx, own, fetchSecrets)
}

// Reload reads the secrets again, for keys that were rotated since. The caller limits how often. An Env without secrets
// gives the same values again. Mistakes found so far do not carry over.
func (e *Env) Reload(ctx context.Context) (*Env, error) { return load(ctx, e.own, e.fetch) }

func newEnv(own map[string]string, fetch fetcher) *Env {
	values := maps.Clone(own)
	maps.DeleteFunc(values, func(_, value string) bool { return value == "" })
	if values == nil {
		values = make(map[string]string) // the parser reads a nil map as the process's environment
	}
	return &Env{own: own, values: values, fetch: fetch}
}

func load(ctx context.Context, own map[string]string, fetch fetcher) (*Env, error) {
	e := newEnv(own, fetch)
	var src source
	e.Read(&src)
	arns := slices.DeleteFunc(src.ARNs, func(arn string) bool { return strings.TrimSpace(arn) == "" })
	if len(arns) == 0 || fetch == nil {
		return e, nil
	}
	secret, err := fetch(ctx, arns)
	if err != nil {
		e.unread = true
		e.Add(err)
		return e, err
	}
	for name, value := range secret {
		if _, set := e.values[name]; !set && value != "" {
			e.values[name] = value
		}
	}
	return e, nil
}

// Lookup gives the value of one variable that is set and not empty.
func (e *Env) Lookup(name string) (string, bool) {
	value, found := e.values[name]
	return value, found
}

// Read fills the struct that dst points to from its `env` tags and then, if dst has a method Validate() error, calls it;
// that error may be the errors.Join of several. Mistakes are collected for Err. What Validate says about a variable that
// could not be read is left out.
func (e *Env) Read(dst any) {
	var broken []string
	for _, err := range parseErrors(env.ParseWithOptions(dst, env.Options{Environment: e.values})) {
		name, told := explain(dst, err)
		broken = append(broken, name)
		if told == nil {
			e.Missing(name)
		}
		e.Add(told)
	}
	v, ok := dst.(interface{ Validate() error })
	if !ok {
		return
	}
	for _, err := range flatten(v.Validate()) {
		follows := func(name string) bool { return name != "" && strings.Contains(err.Error(), name) }
		if !slices.ContainsFunc(broken, follows) {
			e.Add(err)
		}
	}
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

// Missing collects that a variable is required and not set. It does nothing when a secret could not be read, because the
// variable may be in it.
func (e *Env) Missing(name string) {
	if !e.unread {
		e.Add(fmt.Errorf("%s: required, but not set", name))
	}
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
