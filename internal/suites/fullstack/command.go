package fullstack

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"time"
)

// Report is the result of a command that measures or attacks the system.
type Report struct {
	Problems []string
	Text     string // the summary
}

// String returns the summary.
func (r *Report) String() string { return r.Text }

// Add adds a problem.
func (r *Report) Add(format string, args ...any) {
	r.Problems = append(r.Problems, fmt.Sprintf(format, args...))
}

// Main runs a command until it ends, is interrupted or exceeds its time, and prints its problems and its report. It
// exits with status 1 if there are problems, and with status 2 if the command fails.
func Main(name string, limit time.Duration, run func(ctx context.Context) (*Report, error)) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	report, err := run(ctx)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(2)
	}
	for _, problem := range report.Problems {
		fmt.Println("✗", problem)
	}
	fmt.Println(report)
	if len(report.Problems) > 0 {
		os.Exit(1)
	}
}
