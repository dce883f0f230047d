package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const canary = "canary-5ecret"

func TestSealedNeverPrints(t *testing.T) {
	type holder struct {
		Open   Sealed
		hidden Sealed
		ptr    *Sealed
		byName map[string]Sealed
	}
	s := Seal(canary)
	h := holder{s, s, &s, map[string]Sealed{"k": s}}
	var printed bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%o", "%p", "%c", "%e", "%30s"} {
		for _, value := range []any{s, &s} {
			if got := fmt.Sprintf(verb, value); got != "[redacted]" && verb != "%p" {
				t.Errorf("%s of a %T is %q", verb, value, got)
			}
		}
		for _, value := range []any{h, &h, []Sealed{s}, [1]holder{h}, fmt.Errorf("with %v: %w", h, errors.New(s.String())), struct{ inner holder }{h}} {
			fmt.Fprintf(&printed, verb+"\n", value)
		}
	}
	for _, handler := range []slog.Handler{slog.NewTextHandler(&printed, nil), slog.NewJSONHandler(&printed, nil)} {
		slog.New(handler).Info("secret", "sealed", s, "held", h, "pointer", &h)
	}
	for _, sealed := range []string{"sealed=[redacted]", `"sealed":"[redacted]"`} {
		if !strings.Contains(printed.String(), sealed) {
			t.Errorf("no %s in a log line", sealed)
		}
	}
	asJSON, err := json.Marshal(map[string]any{"s": s, "h": h, "p": &s})
	if want := `{"h":{"Open":"[redacted]"},"p":"[redacted]","s":"[redacted]"}`; err != nil || string(asJSON) != want {
		t.Errorf("JSON %s, %v", asJSON, err)
	}
	printed.Write(asJSON)
	for _, form := range []string{canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%v", []byte(canary))} {
		if strings.Contains(printed.String(), form) {
			t.Errorf("printed the secret as %q", form)
		}
	}
	if s.Reveal() != canary || s.IsZero() || !(Sealed{}).IsZero() {
		t.Error("the secret is not what was sealed")
	}
}

type testConfig struct {
	URL     Sealed        `env:"T_URL,required"`
	Wait    time.Duration `env:"T_WAIT" envDefault:"2s"`
	Limit   int           `env:"T_LIMIT" envDefault:"5"`
	Share   float64       `env:"T_SHARE"`
	Size    uint          `env:"T_SIZE"`
	Enabled bool          `env:"T_ENABLED"`
	Level   slog.Level    `env:"T_LEVEL" envDefault:"INFO"`
	Ports   []int         `env:"T_PORTS"`
	Shape   shape         `env:"T_SHAPE"`
	Nested  struct {
		Deep int `env:"T_DEEP"`
	}
	Other string `env:"T_OTHER,required" example:"another"`
}

func (c testConfig) Validate() error {
	var problems []error
	if c.Limit < 1 {
		problems = append(problems, errors.New("T_LIMIT: must be at least 1"))
	}
	if c.URL.IsZero() {
		problems = append(problems, errors.New("T_URL: must be a URL"))
	}
	if c.Enabled && c.Wait == 0 {
		problems = append(problems, fmt.Errorf("T_ENABLED needs T_WAIT: %w: %w", errShape, io.EOF))
	}
	return errors.Join(problems...)
}

// shape is a type of this module whose error describes the expected form.
type shape string

var errShape = errors.New("must be round or square")

func (s *shape) UnmarshalText(text []byte) error {
	if *s = shape(text); *s != "" && *s != "round" && *s != "square" {
		return errShape
	}
	return nil
}

func TestEveryErrorIsReportedOnceWithoutTheValue(t *testing.T) {
	e := FromMap(map[string]string{
		"T_URL": "", "T_WAIT": canary, "T_LIMIT": "0", "T_SHARE": canary, "T_SIZE": "-1", "T_ENABLED": canary,
		"T_LEVEL": canary, "T_PORTS": "1," + canary, "T_SHAPE": canary, "T_DEEP": canary,
	})
	var first, second testConfig
	e.Read(&first)
	e.Read(&second)
	e.Add(nil)
	want := []string{
		"T_URL: required, but not set",
		"T_WAIT: must be a duration in the form 90s or 1h30m (example: 2s)",
		"T_SHARE: must be a number",
		"T_SIZE: must be a non-negative whole number",
		`T_ENABLED: must be "true" or "false"`,
		"T_LEVEL: must be DEBUG, INFO, WARN or ERROR (example: INFO)",
		"T_PORTS: must be a comma-separated list, each item a whole number",
		"T_SHAPE: must be round or square",
		"T_DEEP: must be a whole number",
		"T_OTHER: required, but not set (example: another)",
		"T_LIMIT: must be at least 1 (example: 5)",
	}
	got := strings.Split(e.Err().Error(), "\n")
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if !errors.Is(e.Err(), errShape) {
		t.Error("the cause of our own error is lost")
	}
}

// A second error of a variable is dropped, and the joined errors cannot be unwrapped.
func TestVariableHasOneErrorAtATime(t *testing.T) {
	e := FromMap(nil)
	e.Add(e.required("T_URL"))
	e.Add(errors.New("T_URL: must be a URL"))
	e.Add(errors.Join(errors.New("T_OTHER: first"), errors.Join(errors.New("T_OTHER: second"), errors.New("T_WAIT: must be 1"))))
	e.Add(errors.New("open: no such file"))
	e.Add(errors.New("open: permission denied"))
	err := e.Err()
	e.Add(err)
	want := "T_URL: required, but not set\nT_OTHER: first\nT_WAIT: must be 1\nopen: no such file\nopen: permission denied"
	if err.Error() != want || e.Err().Error() != want {
		t.Errorf("got %v", e.Err())
	}
	if _, several := err.(interface{ Unwrap() []error }); several || errors.Unwrap(err) != nil {
		t.Error("the errors are wrapped")
	}
}

func TestEmptyVariableIsNotSet(t *testing.T) {
	e := FromMap(map[string]string{"T_URL": "u", "T_OTHER": "o", "T_WAIT": "", "T_ENABLED": ""})
	var c testConfig
	e.Read(&c)
	if err := e.Err(); err != nil {
		t.Fatal(err)
	}
	if c.URL.Reveal() != "u" || c.Wait != 2*time.Second {
		t.Errorf("read %+v", c)
	}
	if _, set := e.Lookup("T_WAIT"); set {
		t.Error("an empty variable is set")
	}
}

func TestEmptyMapDoesNotReadTheProcessEnvironment(t *testing.T) {
	t.Setenv("T_URL", "from the process")
	for _, vars := range []map[string]string{nil, {}} {
		var c testConfig
		e := FromMap(vars)
		e.Read(&c)
		if !c.URL.IsZero() {
			t.Errorf("FromMap(%#v) read the process's environment", vars)
		}
	}
}

func TestSentenceWithSeveralCausesIsNotSplit(t *testing.T) {
	e := FromMap(map[string]string{"T_URL": "u", "T_OTHER": "o", "T_ENABLED": "true", "T_WAIT": "0s"})
	var c testConfig
	e.Read(&c)
	if got := e.Err().Error(); got != "T_ENABLED needs T_WAIT: must be round or square: EOF" {
		t.Errorf("got %q", got)
	}
}

// inFolder creates the folder that FromOS reads, with a settings file if content is not empty.
func inFolder(t *testing.T, content string) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("LAMBDA_TASK_ROOT", dir)
	if content != "" {
		if err := os.WriteFile(filepath.Join(dir, fileName), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestFileIsOverriddenByEnvironmentAndSecrets(t *testing.T) {
	secretsManager(t, map[string]string{"arn:one": `{"T_OTHER":"secret","T_URL":"u"}`})
	t.Setenv("SECRETS_ARN", "arn:one")
	t.Setenv("T_WAIT", "3s")
	t.Setenv("T_LIMIT", "") // an empty variable does not override the file's value
	inFolder(t, `{"ENVIRONMENT":"staging","T_WAIT":"9s","T_OTHER":"file","T_LIMIT":"7"}`)
	e, err := FromOS(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := Read[testConfig](e)
	if c.Wait != 3*time.Second || c.Other != "secret" || c.Limit != 7 || e.Err() != nil {
		t.Errorf("read %+v, %v", c, e.Err())
	}
	if name, _ := e.Lookup("ENVIRONMENT"); e.BuiltFor() != "staging" || name != "staging" {
		t.Errorf("built for %q, named %q", e.BuiltFor(), name)
	}
	asked := e.Asked()
	for name, want := range map[string]Origin{
		"T_WAIT": InEnvironment, "T_OTHER": InSecret, "T_LIMIT": InFile, "T_DEEP": Default, "ENVIRONMENT": InFile, "SECRETS_ARN": InEnvironment,
	} {
		if asked[name] != want {
			t.Errorf("%s is from %q, want %q", name, asked[name], want)
		}
	}
	if len(asked) != 13 { // those of testConfig, and two more
		t.Errorf("asked for %v", asked)
	}
	t.Setenv("ENVIRONMENT", "production")
	if e, err = FromOS(t.Context()); err != nil {
		t.Fatal(err)
	}
	if name, _ := e.Lookup("ENVIRONMENT"); e.BuiltFor() != "staging" || name != "production" {
		t.Errorf("built for %q, named %q", e.BuiltFor(), name)
	}
}

func TestInvalidFileIsNamed(t *testing.T) {
	for _, content := range []string{"{", "[]", `{"T_LIMIT": 7}`, canary} {
		inFolder(t, content)
		t.Setenv("T_OTHER", "own")
		e, err := FromOS(t.Context())
		if err == nil || !strings.Contains(err.Error(), fileName) || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: %v", content, err)
		}
		if own, _ := e.Lookup("T_OTHER"); own != "own" {
			t.Errorf("%s: the environment's own variables are lost", content)
		}
	}
	inFolder(t, "")
	if e, err := FromOS(t.Context()); err != nil || e.BuiltFor() != "" {
		t.Errorf("without a file: %v", err)
	}
}

// TestNestedStructsAreRead tests nested structs with their own checks, several errors in one of them.
func TestNestedStructsAreRead(t *testing.T) {
	type both struct {
		First  testConfig
		Second struct {
			Size int `env:"T_NESTED" envDefault:"many"`
		}
		Constant int `envDefault:"25"`
	}
	e := FromMap(map[string]string{"T_URL": "u", "T_OTHER": "o", "T_LIMIT": "0"})
	if c := Read[both](e); c.Constant != 25 {
		t.Errorf("the constant is %d", c.Constant)
	}
	for _, want := range []string{"T_LIMIT: must be at least 1", "T_NESTED: must be a whole number"} {
		if !strings.Contains(e.Err().Error(), want) {
			t.Errorf("no %q in %v", want, e.Err())
		}
	}
}
