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
	// maxValueBytes limits a text in a log line. All configuration errors of a function fit.
	maxValueBytes = 4096
)

// newLogger returns a logger that writes JSON lines with the keys of Lambda's own lines.
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

// functionName returns Lambda's name of a function of this repository.
func functionName(name string) string { return cmp.Or(lambdacontext.FunctionName, name) }

// tidy processes every attribute of a log line: it uses Lambda's names for the standard keys, scrubs and limits
// texts, and
// hides values of types that it does not know.
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

// text returns a value of a known type as text. It survives an Error method that panics, as one on a nil pointer does.
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

// isPlatformKey reports whether this package or AWS wrote a key's value, which can look like a secret but is none.
func isPlatformKey(key string) bool {
	switch key {
	case slog.LevelKey, slog.TimeKey, slog.MessageKey, "service", "function_name", "function_version",
		"function_request_id", "xray_trace_id", "correlation_id", "route", "method",
		"settings", // the names of variables
		"routes",   // methods and paths of the code
		"seal":     // of the ledger: this copy detects a change of the database
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

// Logger returns the invocation's logger, whose lines contain the request's ids. ERROR means that someone must act.
// Outside
// an invocation it returns the default logger.
func Logger(ctx context.Context) *slog.Logger {
	if l, ok := ctx.Value(lineKey{}).(*line); ok {
		return l.log
	}
	return slog.Default()
}

// redirectStandardLog turns the Lambda library's output into JSON lines.
func redirectStandardLog(to *slog.Logger) {
	log.SetFlags(0)
	log.SetOutput(logBridge{to})
}

type logBridge struct{ to *slog.Logger }

// Write logs a message of the standard logger: error results at DEBUG, because the invocation has logged them
// already, and
// everything else at WARN.
func (b logBridge) Write(p []byte) (int, error) {
	text := strings.TrimSpace(string(p))
	if strings.HasPrefix(text, `{"errorMessage"`) {
		b.to.Debug("error result", "result", text)
	} else {
		b.to.Warn("Lambda runtime message", "detail", text)
	}
	return len(p), nil
}
