package functiontest

import (
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"

	"newsletter/internal/canary"
	"newsletter/shared/capture"
)

// recordLogs passes the log of the function under test to the canary. Tests bypass lambdafn, whose log handler scrubs
// values, so this handler does the same: the canary sees what a deployed function would write.
var recordLogs = sync.OnceFunc(func() {
	if !canary.Recording() {
		return
	}
	gate := func(_ []string, attr slog.Attr) slog.Attr {
		if !slices.Contains([]string{slog.TimeKey, slog.LevelKey, slog.MessageKey}, attr.Key) {
			attr.Value = slog.StringValue(capture.Scrub(attr.Value.String()))
		}
		return attr
	}
	slog.SetDefault(slog.New(slog.NewTextHandler(io.MultiWriter(os.Stderr, logSink{}), &slog.HandlerOptions{ReplaceAttr: gate})))
})

// logSink passes log lines to the canary.
type logSink struct{}

// Write implements io.Writer.
func (logSink) Write(line []byte) (int, error) {
	canary.Record(canary.Log, "of a handler", string(line))
	return len(line), nil
}
