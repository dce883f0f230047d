package lambdafn

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"newsletter/shared/telemetry"
)

// line is an invocation's logger and the content of its INFO line.
type line struct {
	log     *slog.Logger
	metrics *telemetry.Metrics

	mu    sync.Mutex
	attrs []slog.Attr
}

type lineKey struct{}

func withLine(ctx context.Context, log *slog.Logger) context.Context {
	ctx, metrics := telemetry.With(ctx)
	return context.WithValue(ctx, lineKey{}, &line{log: log, metrics: metrics})
}

// Note adds attributes to the invocation's INFO line, such as slog.String("outcome", "accepted"). A later value of a
// key
// replaces an earlier one. Texts are scrubbed of addresses, IPs and keys. Note is safe for concurrent use.
func Note(ctx context.Context, attrs ...slog.Attr) {
	l, ok := ctx.Value(lineKey{}).(*line)
	if !ok {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, attr := range attrs {
		l.set(attr)
	}
}

func (l *line) set(attr slog.Attr) {
	for i := range l.attrs {
		if l.attrs[i].Key == attr.Key {
			l.attrs[i] = attr
			return
		}
	}
	l.attrs = append(l.attrs, attr)
}

// finish adds the invocation's own attributes to the noted ones. A noted outcome is more precise than word and wins,
// unless
// the invocation failed afterwards.
func (l *line) finish(word string, failed bool, own []slog.Attr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if failed || !has(l.attrs, "outcome") {
		l.set(slog.String("outcome", word))
	}
	for _, attr := range own {
		l.set(attr)
	}
}

func has(attrs []slog.Attr, key string) bool {
	return slices.ContainsFunc(attrs, func(attr slog.Attr) bool { return attr.Key == key })
}

// write writes the line with the metrics, and another line for each group of metrics that does not fit into it.
func (l *line) write(ctx context.Context, metrics metricContext) {
	l.mu.Lock()
	defer l.mu.Unlock()
	root := map[string]string{"function_name": metrics.function}
	for _, attr := range l.attrs {
		if attr.Value.Kind() == slog.KindString {
			root[attr.Key] = attr.Value.String()
		}
	}
	at := metrics.now()
	l.writeSecurity(ctx, metrics, at)
	documents := l.metrics.Documents(metrics.namespace, at, root)
	if len(documents) == 0 {
		documents = [][]slog.Attr{nil}
	}
	l.emit(ctx, at, "invocation", append(l.attrs, documents[0]...))
	for _, document := range documents[1:] {
		l.emit(ctx, at, "metrics", document)
	}
}

// writeSecurity writes a line for each reason of a security event, with the route and method.
func (l *line) writeSecurity(ctx context.Context, metrics metricContext, at time.Time) {
	root := map[string]string{"function_name": metrics.function}
	for _, event := range l.metrics.Split(telemetry.SecurityEvents) {
		var attrs []slog.Attr
		for _, attr := range l.attrs {
			if attr.Key == "route" || attr.Key == "method" {
				attrs = append(attrs, attr)
			}
		}
		for _, document := range event.Documents(metrics.namespace, at, root) {
			l.emit(ctx, at, "security", append(attrs, document...))
		}
	}
}

// writeLate writes the metrics that were added after the line, if any.
func (l *line) writeLate(ctx context.Context, metrics metricContext) {
	at := metrics.now()
	for _, document := range l.metrics.Documents(metrics.namespace, at, map[string]string{"function_name": metrics.function}) {
		l.emit(ctx, at, "metrics", document)
	}
}

// metricContext holds what the metrics of all invocations have in common.
type metricContext struct {
	namespace, function string
	now                 func() time.Time
}

// emit writes a line of level INFO regardless of LOG_LEVEL, because the line contains the metrics.
func (l *line) emit(ctx context.Context, at time.Time, message string, attrs []slog.Attr) {
	record := slog.NewRecord(at, slog.LevelInfo, message, 0)
	record.AddAttrs(attrs...)
	_ = l.log.Handler().Handle(ctx, record) // a failure of the log can be reported nowhere
}
