package telemetry_test

import (
	"bytes"
	"context"
	"log/slog"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"newsletter/internal/fixtures/emfcheck"
	"newsletter/shared/telemetry"
)

// written returns the values that CloudWatch would extract, and the number of lines.
func written(t *testing.T, m *telemetry.Metrics, root map[string]string) (data []emfcheck.Value, lines int) {
	t.Helper()
	documents := m.Documents("Newsletter/test", time.UnixMilli(1764000000123), root)
	for i, attrs := range documents {
		var out bytes.Buffer
		log := slog.New(slog.NewJSONHandler(&out, nil)).With("function_name", "stack-subscribe")
		if i == 0 {
			for key, value := range root {
				if key != "function_name" {
					log = log.With(key, value)
				}
			}
		}
		log.LogAttrs(t.Context(), slog.LevelInfo, "x", attrs...)
		some, err := emfcheck.Parse(out.Bytes())
		if err != nil {
			t.Fatalf("%v: %s", err, out.Bytes())
		}
		if strings.Count(out.String(), `"outcome":"`) > 1 || strings.Count(out.String(), `"function_name":"`) != 1 {
			t.Errorf("duplicate member: %s", out.String())
		}
		data = append(data, some...)
	}
	return data, len(documents)
}

func count(data []emfcheck.Value, name string, dimensions ...string) (n int, sum float64) {
	for _, d := range data {
		all := d.Name == name && len(d.Dimensions) == len(dimensions)
		for _, value := range d.Dimensions {
			all = all && slices.Contains(dimensions, value)
		}
		if all {
			n, sum = n+1, sum+d.Value
		}
	}
	return n, sum
}

func TestMetricsOfARequestFitInItsLine(t *testing.T) {
	t.Parallel()
	ctx, m := telemetry.With(t.Context())
	telemetry.AddDuration(ctx, telemetry.Duration, 12345*time.Microsecond, "subscribe POST")
	telemetry.Add(ctx, telemetry.SignUps, 1, "pending")
	telemetry.Add(ctx, telemetry.LimiterDecisions, 1, "redis", "allowed")
	telemetry.AddDuration(ctx, telemetry.PoolAcquire, time.Millisecond)
	telemetry.AddDuration(ctx, telemetry.PoolAcquire, 3*time.Millisecond)
	telemetry.Add(ctx, telemetry.OutboxDeadLetters, 0)
	data, lines := written(t, m, map[string]string{"function_name": "stack-subscribe", "outcome": "pending", "route": "/x"})
	if lines != 1 || len(data) != 6 {
		t.Fatalf("%d lines: %v", lines, data)
	}
	if _, got := count(data, "Duration", "subscribe POST"); got != 12.345 {
		t.Errorf("duration %v", got)
	}
	if n, got := count(data, "PoolAcquire", "stack-subscribe"); n != 2 || got != 4 {
		t.Errorf("%d waits, %v ms", n, got)
	}
	if n, _ := count(data, "OutboxDeadLetters"); n != 1 {
		t.Error("a metric without dimensions is lost")
	}
	if again, _ := written(t, m, nil); again != nil {
		t.Errorf("written twice: %v", again)
	}
}

func TestDimensionWithSeveralValuesNeedsSeveralLines(t *testing.T) {
	t.Parallel()
	ctx, m := telemetry.With(t.Context())
	for range 3 {
		telemetry.Add(ctx, telemetry.Deliveries, 1, "ses", "delivered")
		telemetry.Add(ctx, telemetry.Deliveries, 1, "slack", "later")
	}
	telemetry.Add(ctx, telemetry.Deliveries, 1, "ses", "dead")
	data, lines := written(t, m, map[string]string{"function_name": "deliver", "outcome": "done"}) // not an outcome of a delivery
	if lines != 4 || len(data) != 3 {
		t.Fatalf("%d lines: %v", lines, data)
	}
	for want, dimensions := range map[float64][]string{3: {"ses", "delivered"}, 1: {"ses", "dead"}} {
		if n, got := count(data, "Deliveries", dimensions...); n != 1 || got != want {
			t.Errorf("%v: %v, want %v", dimensions, got, want)
		}
	}
}

func TestInvalidValuesAreDropped(t *testing.T) {
	t.Parallel()
	ctx, m := telemetry.With(t.Context())
	telemetry.Add(ctx, telemetry.OutboxAge, math.NaN())
	telemetry.Add(ctx, telemetry.OutboxAge, math.Inf(1))
	telemetry.Add(ctx, telemetry.SignUps, 1)                    // a dimension is missing
	telemetry.Add(ctx, telemetry.ColdStarts, 1, "another")      // the function's name is the line's
	telemetry.Add(context.Background(), telemetry.OutboxAge, 1) // outside an invocation
	if data, lines := written(t, m, nil); len(data) != 0 || lines > 1 {
		t.Errorf("%d lines: %v", lines, data)
	}
	for range 250 {
		telemetry.AddDuration(ctx, telemetry.RedisRoundTrip, time.Millisecond)
	}
	if data, _ := written(t, m, map[string]string{"function_name": "f"}); len(data) != 100 {
		t.Errorf("%d values of a metric; the format takes 100", len(data))
	}
}

func TestMetricsAreSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	ctx, m := telemetry.With(t.Context())
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				telemetry.Add(ctx, telemetry.Deliveries, 1, "ses", "delivered")
			}
		})
	}
	all.Wait()
	data, _ := written(t, m, map[string]string{"function_name": "f"})
	if _, got := count(data, "Deliveries", "ses", "delivered"); got != 800 {
		t.Errorf("%v of 800", got)
	}
}

// The page lists exactly the metrics, with unit, dimensions and description.
func TestPageListsTheCatalog(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for _, line := range strings.Split(string(page), "\n") {
		if strings.HasPrefix(line, "| `") {
			rows++
		}
	}
	for _, metric := range telemetry.Catalog {
		dimensions := "–"
		if len(metric.Dimensions) > 0 {
			dimensions = "`" + strings.Join(metric.Dimensions, "`, `") + "`"
		}
		row := "| `" + metric.Name + "` | " + string(metric.Unit) + " | " + dimensions + " | " + metric.Description + ". |"
		if !strings.Contains(string(page), row) {
			t.Errorf("docs/metrics.md has no row %q", row)
		}
	}
	if rows != len(telemetry.Catalog) {
		t.Errorf("%d rows for %d metrics", rows, len(telemetry.Catalog))
	}
}
