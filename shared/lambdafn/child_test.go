package lambdafn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"testing"

	"newsletter/shared/config"
	"newsletter/shared/httpapi"
)

// childEnv makes this test binary run one of the functions below with the real Start.
const childEnv = "LAMBDAFN_TEST_FUNCTION"

// These values must never be in a log line or in an event for Sentry.
const (
	canaryAddress = "jane.canary@example.org"
	canaryToken   = "AWsxfQBx9Zk3vLq0pT7uYc2eRn8mHd5gJw4sKb6oXiU"
	canaryIP      = "203.0.113.77"
	canaryBody    = "canary-body"
)

func TestMain(m *testing.M) {
	switch os.Getenv(childEnv) {
	case "web":
		Start("web", openWeb)
	case "events":
		Start("events", openEvents)
	case "misconfigured":
		Start("misconfigured", openMisconfigured)
	case "panicking":
		Start("panicking", func(context.Context, *config.Env) (Function, error) { panic("no luck " + canaryAddress) })
	case "empty":
		Start("empty", func(context.Context, *config.Env) (Function, error) { return Function{}, nil })
	}
	os.Exit(m.Run())
}

func openWeb(ctx context.Context, env *config.Env) (Function, error) {
	cfg := config.Read[httpapi.Config](env)
	Logger(ctx).Debug("opening", "origins", []string(cfg.AllowedOrigins))
	return Function{HTTP: newWebAPI(cfg), Close: func(ctx context.Context) {
		_, limited := ctx.Deadline()
		Logger(ctx).Warn("closing", "limited", limited)
	}}, nil
}

func newWebAPI(cfg httpapi.Config) *httpapi.API {
	handle := func(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
		switch r.Query.Get("do") {
		case "echo":
			sent, err := httpapi.DecodeJSON[map[string]string](r)
			return httpapi.JSON(http.StatusOK, sent), err
		case "panic":
			Note(ctx, slog.String("outcome", "noted before the panic"))
			panic(fmt.Errorf("lost %s and %s", canaryAddress, canaryToken))
		case "fail":
			return nil, fmt.Errorf("query %s from %s: %w", canaryAddress, canaryIP, errors.ErrUnsupported)
		case "lost":
			return nil, httpapi.Unavailable(1, errors.New("dial "+canaryIP+":5432: refused"))
		case "note":
			Note(ctx, slog.String("outcome", "accepted"), slog.Int("mails", 1), slog.String("reason", canaryAddress+" "+canaryIP))
			Note(ctx, slog.Int("mails", 2), slog.Any("request", r), slog.Any("client", r.Client), slog.Any("reasons", []string{"a", canaryIP}))
		}
		return httpapi.JSON(http.StatusOK, struct{}{}), nil
	}
	return httpapi.New(cfg, httpapi.Route{Path: "/api/web", GET: handle, POST: handle})
}

func openEvents(context.Context, *config.Env) (Function, error) {
	return Function{Event: func(_ context.Context, event json.RawMessage) (any, error) {
		var command struct{ Command string }
		if err := json.Unmarshal(event, &command); err != nil {
			return nil, errors.New("the event is no command")
		}
		switch command.Command {
		case "panic":
			panic(canaryAddress)
		case "fail":
			return nil, fmt.Errorf("send to %s: %w", canaryAddress, errors.ErrUnsupported)
		case "unencodable":
			return func() {}, nil
		}
		return map[string]any{"scheduled": isScheduled(event), "command": command.Command}, nil
	}}, nil
}

func openMisconfigured(_ context.Context, env *config.Env) (Function, error) {
	cfg := config.Read[httpapi.Config](env)
	env.Add(errors.New("OTHER: must be something else"))
	return Function{HTTP: newWebAPI(cfg)}, nil // Start checks env.Err itself
}
