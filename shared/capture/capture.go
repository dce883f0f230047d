// Package capture reports errors to Sentry and to a webhook: panics, 5xx responses, lost dependencies and dead
// letters. It
// also sends Sentry check-ins for scheduled runs.
//
// Reports are built from an allow-list: types and messages of errors, with addresses, network addresses and keys
// removed,
// stack frames without variables, the request's ids and route, and breadcrumbs of kind, duration and outcome. At most
// one
// event per cause and minute is sent; the next one contains the number of dropped events.
//
// Failure policy: reporting never changes a response. A slow or dead receiver costs at most the flush budget of an
// invocation that captured something, and otherwise nothing. A report that does not arrive is lost; the log has the
// error.
// Without a receiver, everything is a no-op.
package capture

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/getsentry/sentry-go"

	"newsletter/shared/config"
)

// Config configures the reports.
type Config struct {
	// The Sentry DSN, https except on a loopback host. Empty: nothing is reported to Sentry.
	DSN config.Sealed `env:"SENTRY_DSN"`
	// The name of the environment, such as production or staging, in reports and logs. A function is built for one
	// environment, with its settings/<environment>.toml.
	Environment string `env:"ENVIRONMENT" envDefault:"production" from:"template"`
	// The deployed version, in reports and logs.
	Release string `env:"RELEASE" envDefault:"unreleased" from:"template"`

	// Schedule is the Rate of ScheduleConfig; empty for none.
	Schedule string
}

// ScheduleConfig contains the schedule of a function.
type ScheduleConfig struct {
	// How often the function is scheduled, as an AWS rate. Its check-ins create a Sentry cron monitor, which detects
	// missing runs. Empty: no check-ins.
	Rate string `env:"SCHEDULE" from:"template" example:"rate(1 minute)"`
}

const (
	// sendTimeout limits one delivery, which runs in parallel to the requests.
	sendTimeout = 2 * time.Second
	// maxBreadcrumbs exceeds the number of steps of any request.
	maxBreadcrumbs = 20
)

var errDSN = errors.New("SENTRY_DSN: must be an https DSN from Sentry")

// The tags that reports may contain.
const (
	tagRequest = "request_id"
	tagTrace   = "xray_trace_id"
	tagRoute   = "route"
	tagRepeats = "repeats" // dropped events of the same cause since the last one
)

// Reporter sends reports. It is safe for concurrent use. The zero value reports nothing.
type Reporter struct {
	hub     *sentry.Hub // nil: disabled
	dedup   deduplicator
	hook    Hook     // nil: only Sentry receives reports
	monitor *monitor // nil: no check-ins
}

// New returns a Reporter for one function. hook also receives every report; it may be nil. New does no I/O.
func New(cfg Config, hook Hook, function string) (*Reporter, error) {
	if cfg.DSN.IsZero() && hook == nil {
		return &Reporter{}, nil
	}
	r := &Reporter{hook: hook}
	var err error
	if !cfg.DSN.IsZero() && cfg.Schedule != "" {
		if r.monitor, err = newMonitor(cfg.Schedule, function); err != nil {
			return nil, err
		}
	}
	if !cfg.DSN.IsZero() && !isSecure(cfg.DSN.Reveal()) {
		return nil, errDSN
	}
	off := &sentry.KeyValueCollectionBehavior{Mode: sentry.CollectionOff}
	client, err := sentry.NewClient(sentry.ClientOptions{
		Dsn:                  cfg.DSN.Reveal(), // empty: events are made for the hook, and Sentry receives none
		Environment:          cfg.Environment,
		Release:              cfg.Release, // else the SDK runs git to find one
		ServerName:           function,    // else the host's name
		MaxBreadcrumbs:       maxBreadcrumbs,
		HTTPClient:           &http.Client{Timeout: sendTimeout, CheckRedirect: noRedirect},
		DisableClientReports: true,
		Integrations:         func([]sentry.Integration) []sentry.Integration { return nil }, // they collect modules and environment
		DataCollection: &sentry.DataCollection{
			UserInfo: sentry.Set(false), HTTPBodies: []sentry.BodyType{}, Cookies: off, QueryParams: off,
			HTTPHeaders: &sentry.HeaderCollectionConfig{Request: off, Response: off},
		},
		BeforeSend:       r.beforeSend,
		BeforeBreadcrumb: func(b *sentry.Breadcrumb, _ *sentry.BreadcrumbHint) *sentry.Breadcrumb { return scrubBreadcrumb(b) },
	})
	if err != nil {
		return nil, errDSN // the SDK's error repeats it
	}
	r.hub = sentry.NewHub(client, sentry.NewScope())
	return r, nil
}

// isSecure reports whether reports may be sent to a DSN.
func isSecure(dsn string) bool {
	u, err := url.Parse(dsn)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http" && config.IsLoopback(u.Hostname()))
}

// noRedirect refuses redirects: a report goes only to the configured address.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// beforeSend processes every event: it scrubs the event and sends it to the hook on behalf of its invocation.
func (r *Reporter) beforeSend(event *sentry.Event, hint *sentry.EventHint) *sentry.Event {
	event = scrubEvent(event)
	if i, ok := hint.Data.(*invocation); ok && r.hook != nil {
		i.await(r.hook.send(event))
	}
	return event
}

// invocation is the state of one invocation. It has its own copy of the hub, so that breadcrumbs do not mix.
type invocation struct {
	hub     *sentry.Hub
	dedup   *deduplicator
	monitor *monitor

	mu       sync.Mutex
	reported []error
	sent     bool              // an event for Sentry is queued
	calls    []<-chan struct{} // of the hook; each is closed when it returns
}

type invocationKey struct{}

// Begin returns a context for Error, Panic, Breadcrumb, Route, Trace and CheckIn; without it they do nothing. requestID
// is in every report of the invocation.
func (r *Reporter) Begin(ctx context.Context, requestID string) context.Context {
	if r.hub == nil {
		return ctx
	}
	i := &invocation{hub: r.hub.Clone(), dedup: &r.dedup, monitor: r.monitor}
	if requestID != "" {
		i.hub.Scope().SetTag(tagRequest, requestID)
	}
	return context.WithValue(ctx, invocationKey{}, i)
}

// Flush waits up to budget until the captures of ctx's invocation are sent. It returns at once if nothing was captured.
func (r *Reporter) Flush(ctx context.Context, budget time.Duration) {
	i := of(ctx)
	if i == nil || budget <= 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), budget) // the report must survive the request's context
	defer cancel()
	sent, calls := i.pending()
	if sent {
		i.hub.FlushWithContext(ctx)
	}
	for _, call := range calls {
		select {
		case <-call:
		case <-ctx.Done():
			return
		}
	}
}

// of returns the invocation of ctx, or nil if nothing is reported.
func of(ctx context.Context) *invocation {
	i, _ := ctx.Value(invocationKey{}).(*invocation)
	return i
}

// await makes Flush wait for a call of the hook.
func (i *invocation) await(call <-chan struct{}) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.calls = append(i.calls, call)
}

func (i *invocation) pending() (sent bool, calls []<-chan struct{}) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.sent, i.calls
}
