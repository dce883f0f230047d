package lambdafn

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"newsletter/shared/telemetry"
)

// line is an invocation's logger, and what its INFO line will say.
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

// Note adds attributes to the one INFO line of the invocation, such as slog.String("outcome", "accepted"); a later value of
// a key replaces an earlier one. Texts are scrubbed of addresses, IPs and keys. It is safe for concurrent use.
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

// finish completes the line: what the invocation knows itself, besides the notes. A noted outcome is closer to what happened
// than word, unless the invocation failed after it was noted.
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

// write writes the line with the metrics, and a line more for each group of metrics that does not fit into it.
func (l *line) write(ctx context.Context, book metricContext) {
	l.mu.Lock()
	defer l.mu.Unlock()
	root := map[string]string{"function_name": book.function}
	for _, attr := range l.attrs {
		if attr.Value.Kind() == slog.KindString {
			root[attr.Key] = attr.Value.String()
		}
	}
	at := book.now()
	l.writeSecurity(ctx, book, at)
	documents := l.metrics.Documents(book.namespace, at, root)
	if len(documents) == 0 {
		documents = [][]slog.Attr{nil}
	}
	l.emit(ctx, at, "invocation", append(l.attrs, documents[0]...))
	for _, metrics := range documents[1:] {
		l.emit(ctx, at, "metrics", metrics)
	}
}

// writeSecurity writes a line for each reason of a security event, with where it happened.
func (l *line) writeSecurity(ctx context.Context, book metricContext, at time.Time) {
	root := map[string]string{"function_name": book.function}
	for _, event := range l.metrics.Split(telemetry.SecurityEvents) {
		var attrs []slog.Attr
		for _, attr := range l.attrs {
			if attr.Key == "route" || attr.Key == "method" {
				attrs = append(attrs, attr)
			}
		}
		for _, metrics := range event.Documents(book.namespace, at, root) {
			l.emit(ctx, at, "security", append(attrs, metrics...))
		}
	}
}

// writeLate writes metrics that were added after the line, if there are any.
func (l *line) writeLate(ctx context.Context, book metricContext) {
	at := book.now()
	for _, metrics := range l.metrics.Documents(book.namespace, at, map[string]string{"function_name": book.function}) {
		l.emit(ctx, at, "metrics", metrics)
	}
}

// metricBook is what the metrics of all invocations have in common.
type metricContext struct {
	namespace, function string
	now                 func() time.Time
}

// emit writes a line of level INFO, whatever LOG_LEVEL says: the metrics are in it.
func (l *line) emit(ctx context.Context, at time.Time, message string, attrs []slog.Attr) {
	record := slog.NewRecord(at, slog.LevelInfo, message, 0)
	record.AddAttrs(attrs...)
	_ = l.log.Handler().Handle(ctx, record) // whom could it be told, if not the log
}
