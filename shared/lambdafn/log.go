package lambdafn

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"strings"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"newsletter/shared/capture"
	"newsletter/shared/telemetry"
)

const (
	// service names the system in every log line.
	service = "newsletter"
	// maxValueBytes bounds a text in a log line; all mistakes in the variables of a function fit.
	maxValueBytes = 4096
)

// newLogger writes JSON lines with the keys of Lambda's own lines.
func newLogger(out io.Writer, level slog.Level, name string) *slog.Logger {
	attrs := []slog.Attr{
		slog.String("service", service),
		slog.String("function_name", functionName(name)),
	}
	if lambdacontext.FunctionVersion != "" {
		attrs = append(attrs, slog.String("function_version", lambdacontext.FunctionVersion))
	}
	if lambdacontext.MemoryLimitInMB > 0 {
		attrs = append(attrs, slog.Int("function_memory_size", lambdacontext.MemoryLimitInMB))
	}
	handler := slog.NewJSONHandler(out, &slog.HandlerOptions{Level: level, ReplaceAttr: tidy})
	return slog.New(handler.WithAttrs(attrs))
}

// functionName is Lambda's name of the function that is called name here.
func functionName(name string) string { return cmp.Or(lambdacontext.FunctionName, name) }

// tidy is the last gate of every log line: Lambda's names for the standard keys, texts scrubbed and bounded, and no value
// whose parts nobody has looked at.
func tidy(groups []string, attr slog.Attr) slog.Attr {
	if len(groups) == 0 && isPlatformKey(attr.Key) {
		return lambdacontext.ReplaceAttr(groups, attr)
	}
	if _, metrics := attr.Value.Any().(telemetry.JSON); metrics {
		return attr
	}
	if kind := attr.Value.Kind(); kind == slog.KindString || kind == slog.KindAny {
		attr.Value = slog.StringValue(bounded(text(attr.Value.Any())))
	}
	return attr
}

// text writes a value whose text is known to be one. It survives an Error method that panics, as one on a nil pointer does.
func text(value any) (s string) {
	defer func() {
		if recover() != nil {
			s = fmt.Sprintf("[a broken %T]", value)
		}
	}()
	switch v := value.(type) {
	case string:
		return v
	case error:
		return v.Error()
	case fmt.Stringer:
		return v.String()
	case []string:
		return strings.Join(v, ",")
	}
	return "[not shown]"
}

// isPlatformKey names what this package or AWS wrote: its values may look like keys and are none.
func isPlatformKey(key string) bool {
	switch key {
	case slog.LevelKey, slog.TimeKey, slog.MessageKey, "service", "function_name", "function_version",
		"function_request_id", "xray_trace_id", "correlation_id", "route", "method",
		"settings", // the names of variables
		"seal":     // of the ledger: it is to be found here when the database was changed
		return true
	}
	return false
}

func bounded(s string) string {
	if len(s) > maxValueBytes {
		s = strings.ToValidUTF8(s[:maxValueBytes], "") + "…"
	}
	return capture.Scrub(s)
}

// Logger is the invocation's logger: its lines carry the request's ids. ERROR means that someone must act. Outside of a
// function it is the default logger.
func Logger(ctx context.Context) *slog.Logger {
	if l, ok := ctx.Value(lineKey{}).(*line); ok {
		return l.log
	}
	return slog.Default()
}

// redirectStandardLog turns what the Lambda library prints into lines like ours.
func redirectStandardLog(to *slog.Logger) {
	log.SetFlags(0)
	log.SetOutput(logBridge{to})
}

type logBridge struct{ to *slog.Logger }

// Write logs a message of the standard logger: error results, of which the invocation has told already, at DEBUG, the rest
// at WARN.
func (b logBridge) Write(p []byte) (int, error) {
	text := strings.TrimSpace(string(p))
	if strings.HasPrefix(text, `{"errorMessage"`) {
		b.to.Debug("error result", "result", text)
	} else {
		b.to.Warn("runtime", "detail", text)
	}
	return len(p), nil
}
