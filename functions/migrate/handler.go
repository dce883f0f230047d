package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"

	"newsletter/migrations"
	"newsletter/shared/capture"
	"newsletter/shared/config"
	"newsletter/shared/lambdafn"
	"newsletter/shared/telemetry"
)

// migrator is the part of migrations.Runner that the commands use.
type migrator interface {
	Up(context.Context) (migrations.Result, error)
	Down(context.Context) (migrations.Result, error)
	Status(context.Context) (migrations.Result, error)
	Validate(context.Context) (migrations.Result, error)
}

// handler serves direct and CloudFormation events. It opens a new connection for each event: events are rare, and the
// password may have been rotated since the last one.
type handler struct {
	connect func(context.Context) (migrator, error)
	answer  sender
	// misplaced is the error of an artifact that was built for another environment and must not change a database.
	misplaced error
}

func open(_ context.Context, env *config.Env) (lambdafn.Function, error) {
	config.Read[migrations.Config](env) // records the variables; connect reads them again
	h := handler{
		connect:   func(ctx context.Context) (migrator, error) { return connect(ctx, env) },
		answer:    newSender(),
		misplaced: misplaced(env),
	}
	return lambdafn.Function{Event: h.handle, ReportsConfigErrors: true}, nil
}

// misplaced returns an error if the artifact was built for another environment than it runs in. Then all other
// artifacts were too, and CloudFormation must stop before it changes them.
func misplaced(env *config.Env) error {
	built, deployed := env.BuiltFor(), config.Read[capture.Config](env).Environment
	if built == "" || built == deployed {
		return nil
	}
	return fmt.Errorf("the functions were built for the environment %q, but the parameter Environment is %q; build them again: ENVIRONMENT=%s sam build",
		built, deployed, deployed)
}

// connect reads the configuration for each event, so that CloudFormation receives its errors.
func connect(ctx context.Context, env *config.Env) (migrator, error) {
	fresh, err := env.Reload(ctx)
	if err != nil {
		return nil, err
	}
	cfg := config.Read[migrations.Config](fresh)
	if err := fresh.Err(); err != nil {
		return nil, err
	}
	return migrations.New(cfg)
}

// errNoCommand describes the expected event to the caller of a direct invocation.
var errNoCommand = errors.New(`the event must be {"command": "up" | "down" | "status" | "validate"} or a CloudFormation request`)

func (h handler) handle(ctx context.Context, raw json.RawMessage) (any, error) {
	var shape struct {
		RequestType string
		ResponseURL string
	}
	if json.Unmarshal(raw, &shape) == nil && shape.RequestType != "" && shape.ResponseURL != "" {
		return h.deploy(ctx, raw)
	}
	var event struct {
		Command string `json:"command"`
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&event); err != nil || event.Command == "" {
		return nil, errNoCommand
	}
	return h.run(ctx, event.Command)
}

func (h handler) run(ctx context.Context, name string) (migrations.Result, error) {
	commands := map[string]func(migrator, context.Context) (migrations.Result, error){
		"up": migrator.Up, "down": migrator.Down, "status": migrator.Status, "validate": migrator.Validate,
	}
	command, found := commands[name]
	if !found {
		return migrations.Result{}, fmt.Errorf("unknown command %.40q: %w", name, errNoCommand)
	}
	if name == "up" && h.misplaced != nil {
		return migrations.Result{}, h.misplaced
	}
	m, err := h.connect(ctx)
	if err != nil {
		return migrations.Result{}, err
	}
	if name == "up" || name == "down" {
		telemetry.SecurityEvent(ctx, "operator_action")
	}
	result, err := command(m, ctx)
	outcome := "ok"
	if !result.OK {
		outcome = "problems"
	}
	lambdafn.Note(ctx, slog.String("command", name), slog.String("outcome", outcome), slog.Int64("version", result.Version),
		slog.Int("migrations", len(result.Migrations)), slog.Any("problems", result.Problems), slog.Any("warnings", result.Warnings))
	return result, err
}
