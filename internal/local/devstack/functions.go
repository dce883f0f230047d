package devstack

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"newsletter/internal/local/gobuild"
	"newsletter/internal/local/lambdalocal"
	"newsletter/internal/local/samtemplate"
	"newsletter/internal/policy/settings/record"
)

func (s *Stack) build(ctx context.Context) error {
	if s.options.Binaries != "" {
		return nil
	}
	s.options.Binaries = filepath.Join(s.options.Dir, "bin")
	return gobuild.Functions(ctx, s.options.Root, s.options.Binaries)
}

// variables returns all values that the template and the settings may pass to a function.
func (s *Stack) variables(keys map[string]string, doubles endpoint) map[string]string {
	values := map[string]string{
		"ENVIRONMENT": "local", "RELEASE": "local", "LOG_LEVEL": "INFO",
		"SITE_PUBLIC_URL": s.BaseURL + "/" + s.options.MappingKey, "SITE_NAME": "The Local Letter", "SITE_URL": s.BaseURL, "SITE_POSTAL_ADDRESS": `1 Local Lane\n12345 Localtown`,
		"FIELDS":                 `{"company":{"type":"text","purpose":"to write about your industry","destinations":["loops","webhook"]}}`,
		"MAIL_CONFIGURATION_SET": configurationSet,
		"MAIL_FROM":              "The Local Letter <letter@local.example.org>",
		"DATABASE_URL":           s.Database.AppURL, "REDIS_URL": s.Redis.URL, "TLS_CA_FILE": s.caFile,
		"MIGRATE_DATABASE_URL": s.Database.AdminURL, "APP_DATABASE_USER": appUser,
		"SENTRY_DSN": "http://local@" + string(doubles) + "/1", "LOOPS_API_KEY": LoopsKey, "LOOPS_SIGNING_SECRET": LoopsSigningSecret,
		"GA4_MEASUREMENT_ID": GA4ID, "GA4_API_SECRET": GA4Secret,
		"SLACK_WEBHOOK_URL": doubles.at("/slack"), "DISCORD_WEBHOOK_URL": doubles.at("/discord"),
		"ERROR_WEBHOOK_URL": doubles.at("/errors"), "ERROR_WEBHOOK_SECRETS": WebhookSecret,
		"WEBHOOK_URLS": doubles.at("/webhook"), "WEBHOOK_SECRETS": WebhookSecret, "FAKES_URL": doubles.at(""),
		"UNSUBSCRIBE_QUEUE_URL": doubles.at("/sqs/unsubscribe"), "ALERTS_TOPIC_ARN": TopicARN,
		"UPSTASH_VECTOR_REST_URL": doubles.at("/vector"), "UPSTASH_VECTOR_REST_TOKEN": VectorToken,
		"JOURNAL_URL":    "file://" + filepath.ToSlash(filepath.Join(s.options.Dir, "journal")),
		"ANCHOR_URL":     "file://" + filepath.ToSlash(filepath.Join(s.options.Dir, "anchors")),
		"CAPTCHA_SECRET": CaptchaSecret,
	}
	for name, key := range keys {
		values[name] = key
	}
	if s.Database.AppPassword != "" {
		values["APP_DATABASE_PASSWORD"], values["KEEPER_DATABASE_PASSWORD"] = s.Database.AppPassword, s.Database.KeeperPassword
	}
	for name, value := range s.options.Variables {
		values[name] = value
	}
	// Lambda itself passes a function its role's credentials.
	values["AWS_ACCESS_KEY_ID"], values["AWS_SECRET_ACCESS_KEY"], values["AWS_SESSION_TOKEN"] = "AKIDLOCAL", "local", "local"
	return values
}

// variableNames returns the names of a function's variables: those that the template sets, those in its secrets, and
// the settings in its artifact.
func (s *Stack) variableNames(function string, f *samtemplate.Function) []string {
	var names []string
	for name := range f.Variables {
		names = append(names, name)
	}
	for _, secret := range f.Secrets {
		names = append(names, s.template.SecretVariables[secret]...)
	}
	reads := record.Reads[function]
	names = slices.Concat(names, reads.Settings, reads.Local)
	names = append(names, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
	for name := range s.options.Variables {
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// environment returns the variables of one function.
func (s *Stack) environment(function string, f *samtemplate.Function) map[string]string {
	environment := map[string]string{}
	for _, name := range s.variableNames(function, f) {
		if value := s.values[name]; value != "" {
			environment[name] = value
		}
	}
	if len(f.Schedules) > 0 {
		environment["SCHEDULE"] = f.Schedules[0].Expression
	}
	return environment
}

func (s *Stack) lambdaConfig() (lambdalocal.Config, error) {
	cfg := lambdalocal.Config{Log: recordedLog{s.options.Log}, Now: s.options.Now, MappingKey: s.options.MappingKey}
	for name, f := range s.template.Functions {
		function := lambdalocal.Function{
			Name: name, Binary: filepath.Join(s.options.Binaries, name), Concurrency: s.options.Concurrency,
			Timeout: f.Timeout, MemoryMB: f.MemoryMB,
		}
		for variable, value := range s.environment(name, f) {
			function.Env = append(function.Env, variable+"="+value)
		}
		cfg.Functions = append(cfg.Functions, function)
		for _, route := range f.Routes {
			cfg.Routes = append(cfg.Routes, lambdalocal.Route{Path: route, Function: name})
		}
		for _, schedule := range f.Schedules {
			every, err := rate(schedule.Expression)
			if err != nil {
				return cfg, fmt.Errorf("schedule of %s: %w", name, err)
			}
			cfg.Schedules = append(cfg.Schedules, lambdalocal.Schedule{Function: name, Every: every, Input: []byte(schedule.Input)})
		}
	}
	return cfg, nil
}

// rate reads "rate(5 minutes)".
func rate(text string) (time.Duration, error) {
	fields := strings.Fields(strings.TrimSuffix(strings.TrimPrefix(text, "rate("), ")"))
	if len(fields) != 2 {
		return 0, fmt.Errorf("%q is not a rate", text)
	}
	count, err := strconv.Atoi(fields[0])
	unit := map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}[strings.TrimSuffix(fields[1], "s")]
	if err != nil || count < 1 || unit == 0 {
		return 0, fmt.Errorf("%q is not a rate", text)
	}
	return time.Duration(count) * unit, nil
}

// State describes a running stack for other processes, in its folder.
type State struct {
	BaseURL   string                   `json:"base_url"`
	Psql      string                   `json:"psql"`
	Functions map[string]FunctionState `json:"functions"`
}

// FunctionState is how to run one function against the stack.
type FunctionState struct {
	Binary    string            `json:"binary"`
	Timeout   time.Duration     `json:"timeout"`
	MemoryMB  int               `json:"memory_mb"`
	Variables map[string]string `json:"variables"`
}

// stateFile holds secrets of the stack, as keys.json does.
const stateFile = "state.json"

// writeState writes the state of the stack for other processes, and env.json for `sam local`.
func (s *Stack) writeState() error {
	state := State{BaseURL: s.BaseURL, Psql: s.Psql(), Functions: map[string]FunctionState{}}
	forSAM := map[string]map[string]string{}
	for name, f := range s.template.Functions {
		variables := s.environment(name, f)
		state.Functions[name] = FunctionState{filepath.Join(s.options.Binaries, name), f.Timeout, f.MemoryMB, variables}
		forSAM[f.ID] = variables
	}
	for file, content := range map[string]any{stateFile: state, "env.json": forSAM} {
		text, err := json.MarshalIndent(content, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(s.options.Dir, file), text, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// ReadState finds the stack of a data folder.
func ReadState(dir string) (State, error) {
	content, err := os.ReadFile(filepath.Join(dir, stateFile))
	if err != nil {
		return State{}, fmt.Errorf("no stack is known in %s; start one by `make dev`: %w", dir, err)
	}
	var state State
	return state, json.Unmarshal(content, &state)
}
