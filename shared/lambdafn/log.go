package lambdafn

import (
	"context"
	"io"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambdacontext"
)

// newLogger writes JSON lines with the keys of Powertools for AWS Lambda, so that queries made for it work. LOG_LEVEL
// is DEBUG, INFO (the default), WARN or ERROR; anything else is INFO.
func newLogger(w io.Writer, name string) *slog.Logger {
	level := slog.LevelInfo
	if err := level.UnmarshalText([]byte(os.Getenv("LOG_LEVEL"))); err != nil {
		level = slog.LevelInfo
	}
	handler := slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: lambdacontext.ReplaceAttr})
	return slog.New(handler).With("service", "newsletter", "function", name, "function_name", lambdacontext.FunctionName,
		"function_version", lambdacontext.FunctionVersion, "function_memory_size", lambdacontext.MemoryLimitInMB)
}

type loggerKey struct{}

func withLogger(ctx context.Context, logger *slog.Logger) context.Context {
	return context.WithValue(ctx, loggerKey{}, logger)
}

// Logger gives the invocation's logger.
func Logger(ctx context.Context) *slog.Logger {
	if logger, ok := ctx.Value(loggerKey{}).(*slog.Logger); ok {
		return logger
	}
	return slog.Default()
}
