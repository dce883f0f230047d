// Package config turns environment variables and Secrets Manager secrets into one struct for each adapter.
//
// Every mistake is collected, so that one deployment shows all of them, and no mistake prints a value: an error names the
// variable, what was expected, and nothing else. Secrets are Sealed from the moment they are read.
//
// Failure policy: a secret that cannot be fetched is an error of FromOS; the function does not start.
package config

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"strings"

	"github.com/caarlos0/env/v11"
)

// Env is a set of variables and the mistakes found in it so far. It is not safe for concurrent use.
type Env struct {
	own      map[string]string // the variables as they were set
	values   map[string]string // own, and below them the values of the secrets
	secrets  func(ctx context.Context, arns []string) (map[string]string, error)
	problems []error
}

// source is where the secrets come from.
type source struct {
	// ARNs names the Secrets Manager secrets that hold further variables: each a JSON object of names to strings. A
	// variable that is set in the environment as well keeps the environment's value. Several are separated by commas;
	// a later one wins over an earlier one.
	ARNs []string `env:"SECRETS_ARN"`
}

// FromMap makes an Env of vars, for tests and tools. SECRETS_ARN is not followed.
func FromMap(vars map[string]string) *Env {
	return &Env{own: vars, values: maps.Clone(vars)}
}

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
// gives the same values again.
func (e *Env) Reload(ctx context.Context) (*Env, error) {
	return load(ctx, e.own, e.secrets)
}

func load(ctx context.Context, own map[string]string, fetch func(context.Context, []string) (map[string]string, error)) (*Env, error) {
	e := &Env{own: own, values: maps.Clone(own), secrets: fetch}
	var src source
	e.Read(&src)
	if err := e.Err(); err != nil || len(src.ARNs) == 0 || fetch == nil {
		return e, err
	}
	secret, err := fetch(ctx, src.ARNs)
	if err != nil {
		return e, err
	}
	for name, value := range secret {
		if _, set := own[name]; !set {
			e.values[name] = value
		}
	}
	return e, nil
}

// Lookup gives the value of one variable.
func (e *Env) Lookup(name string) (string, bool) {
	value, found := e.values[name]
	return value, found
}

// Read fills the struct that dst points to from its `env` tags and, if dst has a method Validate() error, calls it.
// Mistakes are collected for Err.
func (e *Env) Read(dst any) {
	err := env.ParseWithOptions(dst, env.Options{Environment: e.values})
	var all env.AggregateError
	switch {
	case err == nil:
		if v, ok := dst.(interface{ Validate() error }); ok {
			e.Add(v.Validate())
		}
	case errors.As(err, &all):
		for _, one := range all.Errors {
			e.Add(e.withoutValue(dst, one))
		}
	default:
		e.Add(err)
	}
}

// Add collects a further mistake; nil is none.
func (e *Env) Add(err error) {
	if err != nil {
		e.problems = append(e.problems, err)
	}
}

// Err gives all mistakes found so far, one a line, or nil.
func (e *Env) Err() error { return errors.Join(e.problems...) }

// withoutValue names the variable and what it should be: the parser's own message repeats the value, which may be secret.
func (e *Env) withoutValue(dst any, err error) error {
	var parse env.ParseError
	if !errors.As(err, &parse) {
		return err
	}
	name := parse.Name
	if field, found := reflect.TypeOf(dst).Elem().FieldByName(parse.Name); found {
		name, _, _ = strings.Cut(field.Tag.Get("env"), ",")
	}
	if explained, ok := errors.AsType[Explained](parse.Err); ok {
		return fmt.Errorf("%s: %s", name, explained.Explain())
	}
	return fmt.Errorf("%s: not a valid %s", name, kindOf(parse.Type))
}

// Explained is an error whose explanation holds no part of the value, so that it may be shown.
type Explained interface {
	error
	Explain() string
}

func kindOf(t reflect.Type) string {
	if t == nil {
		return "value"
	}
	switch t.String() {
	case "time.Duration":
		return `duration, such as "1m30s"`
	case "bool":
		return `switch: "true" or "false"`
	}
	switch t.Kind() {
	case reflect.Int, reflect.Int32, reflect.Int64:
		return "whole number"
	case reflect.Float64:
		return "number"
	}
	return t.String()
}
