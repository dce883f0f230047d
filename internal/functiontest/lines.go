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

// recordLines writes down for the canary what the function under test logs. A test calls it without lambdafn, whose last
// gate scrubs the values: the same is done here, so that what is looked at is what a deployed function would write.
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

// lines writes down the lines that it is given, one at a time.
type logSink struct{}

// Write implements io.Writer.
func (logSink) Write(line []byte) (int, error) {
	canary.Record(canary.Log, "of a handler", string(line))
	return len(line), nil
}
