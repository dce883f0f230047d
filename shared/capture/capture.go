// Package capture reports errors to Sentry: panics, 5xx answers, lost dependencies and dead letters.
//
// What leaves is built from an allow-list: types and messages of errors with everything that looks like an address, a
// network address or a key blotted out, stack frames without variables, the request id, and breadcrumbs of kind,
// duration and outcome. One event leaves for each cause and minute; repetitions are dropped.
//
// Failure policy: reporting never changes an answer. A slow or dead Sentry costs at most the flush budget of the
// invocation that captured something, and nothing where nothing was captured. Without a DSN all is a no-op.
package capture

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/getsentry/sentry-go"

	"newsletter/shared/config"
)

// Config says where to report.
type Config struct {
	// DSN is the Sentry project's address. Defaults to none: nothing is reported.
	DSN config.Sealed `env:"SENTRY_DSN"`
	// Environment names the deployment, such as "prod", in reports and logs. Defaults to "local".
	Environment string `env:"ENVIRONMENT" envDefault:"local"`
	// Release names the deployed version in reports and logs. Defaults to "unreleased".
	Release string `env:"RELEASE" envDefault:"unreleased"`
}

// ReadConfig reads Config.
func ReadConfig(e *config.Env) Config {
	var c Config
	e.Read(&c)
	return c
}

const (
	// sendTimeout bounds one delivery to Sentry; the transport works beside the request.
	sendTimeout = 2 * time.Second
	// quietPeriod is the time for which further events of the same cause are dropped.
	quietPeriod = time.Minute
	// maxCauses bounds the memory of causes; beyond it the oldest knowledge is forgotten at once.
	maxCauses = 256
	// maxBreadcrumbs is above the steps of any request.
	maxBreadcrumbs = 20
)

// Reporter sends reports. It is safe for concurrent use.
type Reporter struct {
	hub *sentry.Hub // nil: disabled
	now func() time.Time

	mu   sync.Mutex
	last map[string]time.Time // by cause
}

// Open makes a Reporter for one function. It does no I/O.
func Open(cfg Config, function string) (*Reporter, error) {
	r := &Reporter{now: time.Now, last: make(map[string]time.Time)}
	if cfg.DSN.IsZero() {
		return r, nil
	}
	client, err := sentry.NewClient(sentry.ClientOptions{
		Dsn:              cfg.DSN.Reveal(),
		Environment:      cfg.Environment,
		Release:          cfg.Release, // else the SDK runs git to find one
		ServerName:       function,    // else the host's name
		AttachStacktrace: true,
		MaxBreadcrumbs:   maxBreadcrumbs,
		HTTPClient:       &http.Client{Timeout: sendTimeout},
		Integrations:     func([]sentry.Integration) []sentry.Integration { return nil }, // they collect modules and environment
		DataCollection: &sentry.DataCollection{
			UserInfo:   sentry.Set(false),
			HTTPBodies: []sentry.BodyType{},
		},
		BeforeSend:       func(event *sentry.Event, _ *sentry.EventHint) *sentry.Event { return scrubEvent(event) },
		BeforeBreadcrumb: func(b *sentry.Breadcrumb, _ *sentry.BreadcrumbHint) *sentry.Breadcrumb { return scrubBreadcrumb(b) },
	})
	if err != nil {
		return nil, errors.New("SENTRY_DSN: not a valid DSN")
	}
	r.hub = sentry.NewHub(client, sentry.NewScope())
	return r, nil
}

// invocation is what belongs to one invocation: its own copy of the hub, so that breadcrumbs do not mix.
type invocation struct {
	reporter *Reporter
	hub      *sentry.Hub
	captured atomic.Bool
}

type invocationKey struct{}

// Begin gives ctx what Error, Panic and Breadcrumb need. requestID goes into every report of the invocation.
func (r *Reporter) Begin(ctx context.Context, requestID string) context.Context {
	i := &invocation{reporter: r}
	if r.hub != nil {
		i.hub = r.hub.Clone()
		i.hub.Scope().SetTag("request_id", requestID)
	}
	return context.WithValue(ctx, invocationKey{}, i)
}

// Flush waits until what this invocation captured is sent, at most for budget. Nothing captured costs nothing.
func (r *Reporter) Flush(ctx context.Context, budget time.Duration) {
	if i, ok := ctx.Value(invocationKey{}).(*invocation); ok && i.captured.Load() {
		i.hub.Flush(budget)
	}
}

// Breadcrumb notes a finished step of the invocation: its kind (decode, limit, query, send), how it went and how long it
// took.
func Breadcrumb(ctx context.Context, kind, outcome string, took time.Duration) {
	if i, ok := ctx.Value(invocationKey{}).(*invocation); ok && i.hub != nil {
		i.hub.AddBreadcrumb(&sentry.Breadcrumb{
			Category: kind, Message: outcome, Level: sentry.LevelInfo,
			Data: map[string]any{"duration_ms": took.Milliseconds()},
		}, nil)
	}
}

// Error reports err, once for each cause and minute.
func Error(ctx context.Context, err error) {
	if i, ok := ctx.Value(invocationKey{}).(*invocation); ok && err != nil {
		i.capture(err, sentry.LevelError)
	}
}

// Panic reports a recovered panic and gives it as an error that names the kind of its value, not the value.
func Panic(ctx context.Context, value any) error {
	err := fmt.Errorf("panic: %s", describePanic(value))
	if i, ok := ctx.Value(invocationKey{}).(*invocation); ok {
		i.capture(err, sentry.LevelFatal)
	}
	return err
}

// describePanic keeps the text of runtime errors and of our own constant messages, scrubbed.
func describePanic(value any) string {
	switch v := value.(type) {
	case error:
		return Scrub(v.Error())
	case string:
		return Scrub(v)
	}
	return fmt.Sprintf("a value of type %T", value)
}

func (i *invocation) capture(err error, level sentry.Level) {
	if i.hub == nil {
		return
	}
	cause := causeOf(err)
	if !i.reporter.first(cause) {
		return
	}
	i.captured.Store(true)
	i.hub.WithScope(func(scope *sentry.Scope) {
		scope.SetLevel(level)
		scope.SetFingerprint([]string{cause})
		i.hub.CaptureException(err)
	})
}

// first says whether a cause has not been reported within the quiet period, and remembers that it is now.
func (r *Reporter) first(cause string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	if last, known := r.last[cause]; known && now.Sub(last) < quietPeriod {
		return false
	}
	if len(r.last) >= maxCauses {
		clear(r.last)
	}
	r.last[cause] = now
	return true
}

// causeOf names the innermost errors of a chain by type and scrubbed text, so that what wraps them makes no new cause.
func causeOf(err error) string {
	for {
		switch wrapped := err.(type) {
		case interface{ Unwrap() error }:
			inner := wrapped.Unwrap()
			if inner == nil {
				return fmt.Sprintf("%T: %s", err, Scrub(err.Error()))
			}
			err = inner
		case interface{ Unwrap() []error }:
			inner := wrapped.Unwrap()
			if len(inner) == 0 {
				return fmt.Sprintf("%T", err)
			}
			err = inner[len(inner)-1] // "%w: %w" puts the sentinel first and the cause last
		default:
			return fmt.Sprintf("%T: %s", err, Scrub(err.Error()))
		}
	}
}
