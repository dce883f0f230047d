// Package capture reports errors to Sentry: panics, 5xx answers, lost dependencies and dead letters.
//
// What leaves is built from an allow-list: types and messages of errors with everything that looks like an address, a
// network address or a key blotted out, stack frames without variables, the request's ids and route, and breadcrumbs of
// kind, duration and outcome. One event leaves for each cause and minute; the next one says how many were left out.
//
// Failure policy: reporting never changes an answer. A slow or dead Sentry costs at most the flush budget of the
// invocation that captured something, and nothing where nothing was captured. Without a DSN all is a no-op.
package capture

import (
	"context"
	"errors"
	"net/http"
	"sync"
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
	// sendTimeout bounds one delivery to Sentry, which goes on beside the requests.
	sendTimeout = 2 * time.Second
	// maxBreadcrumbs is above the steps of any request.
	maxBreadcrumbs = 20
)

// The tags that may leave.
const (
	tagRequest = "request_id"
	tagTrace   = "xray_trace_id"
	tagRoute   = "route"
	tagRepeats = "left_out" // events of the same cause since the last one
)

// Reporter sends reports. It is safe for concurrent use. The zero value reports nothing.
type Reporter struct {
	hub   *sentry.Hub // nil: disabled
	quiet quiet
}

// Open makes a Reporter for one function. It does no I/O.
func Open(cfg Config, function string) (*Reporter, error) {
	if cfg.DSN.IsZero() {
		return &Reporter{}, nil
	}
	off := &sentry.KeyValueCollectionBehavior{Mode: sentry.CollectionOff}
	client, err := sentry.NewClient(sentry.ClientOptions{
		Dsn:                  cfg.DSN.Reveal(),
		Environment:          cfg.Environment,
		Release:              cfg.Release, // else the SDK runs git to find one
		ServerName:           function,    // else the host's name
		MaxBreadcrumbs:       maxBreadcrumbs,
		HTTPClient:           &http.Client{Timeout: sendTimeout},
		DisableClientReports: true,
		Integrations:         func([]sentry.Integration) []sentry.Integration { return nil }, // they collect modules and environment
		DataCollection: &sentry.DataCollection{
			UserInfo: sentry.Set(false), HTTPBodies: []sentry.BodyType{}, Cookies: off, QueryParams: off,
			HTTPHeaders: &sentry.HeaderCollectionConfig{Request: off, Response: off},
		},
		BeforeSend:       func(event *sentry.Event, _ *sentry.EventHint) *sentry.Event { return scrubEvent(event) },
		BeforeBreadcrumb: func(b *sentry.Breadcrumb, _ *sentry.BreadcrumbHint) *sentry.Breadcrumb { return scrubBreadcrumb(b) },
	})
	if err != nil {
		return nil, errors.New("SENTRY_DSN: must be a DSN as Sentry shows it") // the SDK's error repeats it
	}
	return &Reporter{hub: sentry.NewHub(client, sentry.NewScope())}, nil
}

// invocation is what belongs to one invocation: its own copy of the hub, so that breadcrumbs do not mix.
type invocation struct {
	hub   *sentry.Hub
	quiet *quiet

	mu       sync.Mutex
	reported []error
}

type invocationKey struct{}

// Begin gives ctx what Error, Panic, Breadcrumb and Tag need; without it they do nothing. requestID goes into every
// report of the invocation.
func (r *Reporter) Begin(ctx context.Context, requestID string) context.Context {
	if r.hub == nil {
		return ctx
	}
	i := &invocation{hub: r.hub.Clone(), quiet: &r.quiet}
	if requestID != "" {
		i.hub.Scope().SetTag(tagRequest, requestID)
	}
	return context.WithValue(ctx, invocationKey{}, i)
}

// Flush waits until what the invocation of ctx captured is sent, at most for budget. Nothing captured costs nothing.
func (r *Reporter) Flush(ctx context.Context, budget time.Duration) {
	if i := of(ctx); i != nil && budget > 0 && i.captured() {
		i.hub.Flush(budget)
	}
}

// of gives the invocation of ctx, or nil where nothing is reported.
func of(ctx context.Context) *invocation {
	i, _ := ctx.Value(invocationKey{}).(*invocation)
	return i
}

func (i *invocation) captured() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.reported) > 0
}
