package lambdafn

import (
	"context"
	"io"
	"log"
	"log/slog"
	"strings"
	"sync"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"newsletter/shared/capture"
	"newsletter/shared/config"
)

// service names the system in every log line.
const service = "newsletter"

// maxValueBytes bounds a text in a log line.
const maxValueBytes = 1024

// logConfig is what the logger reads.
type logConfig struct {
	// Level is the least level that is logged: DEBUG, INFO, WARN or ERROR. Defaults to INFO.
	Level slog.Level `env:"LOG_LEVEL" envDefault:"INFO"`
}

func readLogConfig(e *config.Env) logConfig {
	var c logConfig
	e.Read(&c)
	return c
}

// newLogger writes JSON lines with Lambda's keys.
func newLogger(out io.Writer, level slog.Level, name string) *slog.Logger {
	handler := slog.NewJSONHandler(out, &slog.HandlerOptions{Level: level, ReplaceAttr: tidy})
	attrs := []slog.Attr{slog.String("service", service), slog.String("function_name", functionName(name))}
	if lambdacontext.FunctionVersion != "" {
		attrs = append(attrs, slog.String("function_version", lambdacontext.FunctionVersion))
	}
	if lambdacontext.MemoryLimitInMB > 0 {
		attrs = append(attrs, slog.Int("function_memory_size", lambdacontext.MemoryLimitInMB))
	}
	return slog.New(handler.WithAttrs(attrs))
}

func functionName(name string) string {
	if lambdacontext.FunctionName != "" {
		return lambdacontext.FunctionName
	}
	return name
}

// platformKeys hold what AWS made: their values look like keys and are none.
func platformKey(key string) bool {
	switch key {
	case slog.LevelKey, slog.TimeKey, slog.MessageKey, "service", "function_name", "function_version",
		"function_request_id", "xray_trace_id", "correlation_id", "route", "method":
		return true
	}
	return false
}

// tidy is the last gate of every log line: Lambda's names for the standard keys, texts scrubbed and bounded, and no value
// whose parts nobody has looked at.
func tidy(groups []string, attr slog.Attr) slog.Attr {
	if len(groups) == 0 {
		attr = lambdacontext.ReplaceAttr(groups, attr)
		if platformKey(attr.Key) {
			return attr
		}
	}
	switch attr.Value.Kind() {
	case slog.KindString:
		attr.Value = slog.StringValue(bounded(attr.Value.String()))
	case slog.KindAny:
		switch v := attr.Value.Any().(type) {
		case error:
			attr.Value = slog.StringValue(bounded(v.Error()))
		case slog.Level:
		case []string:
			attr.Value = slog.StringValue(bounded(strings.Join(v, ",")))
		default:
			attr.Value = slog.StringValue("[not shown]")
		}
	}
	return attr
}

func bounded(s string) string {
	s = capture.Scrub(s)
	if len(s) > maxValueBytes {
		return strings.ToValidUTF8(s[:maxValueBytes], "") + "…"
	}
	return s
}

// line collects what the INFO line of an invocation says.
type line struct {
	log *slog.Logger

	mu    sync.Mutex
	attrs []slog.Attr
}

type lineKey struct{}

func withLogger(ctx context.Context, log *slog.Logger) context.Context {
	return context.WithValue(ctx, lineKey{}, &line{log: log})
}

// Note adds attributes to the one INFO line of the invocation; a later value of a key replaces an earlier one. Texts are
// scrubbed of addresses, IPs and keys. It is safe for concurrent use.
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

func (l *line) noted() []slog.Attr {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]slog.Attr(nil), l.attrs...)
}

// Logger is the invocation's logger: its lines carry the request's ids. Without an invocation it is the default logger.
func Logger(ctx context.Context) *slog.Logger {
	if l, ok := ctx.Value(lineKey{}).(*line); ok {
		return l.log
	}
	return slog.Default()
}

// redirectStandardLog turns what the Lambda library prints into lines like ours: the error results, which the request's
// own line has told already, at DEBUG, the rest at WARN.
func redirectStandardLog(to *slog.Logger) {
	log.SetFlags(0)
	log.SetOutput(logBridge{to})
}

type logBridge struct{ to *slog.Logger }

func (b logBridge) Write(p []byte) (int, error) {
	text := strings.TrimSpace(string(p))
	if strings.HasPrefix(text, `{"errorMessage"`) {
		b.to.Debug("error result", "result", text)
	} else {
		b.to.Warn("runtime", "detail", text)
	}
	return len(p), nil
}
