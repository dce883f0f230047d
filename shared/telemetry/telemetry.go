// Package telemetry collects the metrics of an invocation and writes them for CloudWatch in the Embedded Metric
// Format: as members of the log line that is written anyway, without an API call.
//
// Invariants: only metrics of the Catalog exist, each with its declared dimensions, whose values come from this
// code and never from a visitor. A document has each of its metrics and dimensions as a member of its root, at most
// 100 values of a metric, and one value of each dimension.
//
// Failure policy: nothing here fails. Values added outside an invocation are dropped.
package telemetry

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"
)

// Config configures the metrics.
type Config struct {
	// The CloudWatch namespace of the metrics. The template appends the stack's name.
	Namespace string `env:"METRICS_NAMESPACE" envDefault:"Newsletter" from:"template"`
}

// Metrics collects the values of one invocation. It is safe for concurrent use.
type Metrics struct {
	mu      sync.Mutex
	samples []sample
}

// sample contains the values of one metric with the same dimensions.
type sample struct {
	metric     *Metric
	dimensions []string // values, in the order of the metric's names
	values     []float64
}

// Request is a completed HTTP request.
type Request struct {
	Endpoint string // the function and the method: "subscribe POST"; GET, POST or OTHER
	Status   int
	Cold     bool // the first of its environment
	Duration time.Duration
}

type contextKey struct{}

// With returns a context with its own Metrics.
func With(ctx context.Context) (context.Context, *Metrics) {
	m := &Metrics{}
	return context.WithValue(ctx, contextKey{}, m), m
}

// Add adds a value to the invocation of ctx. Counts are summed; other values are kept separately.
// dimensions are the values of the metric's dimensions, in order, without the function's name. A value
// that is not finite, or whose dimensions do not match the metric's, is dropped.
func Add(ctx context.Context, metric *Metric, value float64, dimensions ...string) {
	m, ok := ctx.Value(contextKey{}).(*Metrics)
	if ok && len(dimensions) == metric.callerDimensions() && !math.IsNaN(value) && !math.IsInf(value, 0) {
		m.add(metric, value, dimensions)
	}
}

// AddDuration adds a duration to a metric in milliseconds.
func AddDuration(ctx context.Context, metric *Metric, d time.Duration, dimensions ...string) {
	Add(ctx, metric, milliseconds(d), dimensions...)
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func (m *Metrics) add(metric *Metric, value float64, dimensions []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range m.samples {
		s := &m.samples[i]
		if s.metric != metric || !slices.Equal(s.dimensions, dimensions) {
			continue
		}
		if metric.Unit == Count {
			s.values[0] += value
		} else if len(s.values) < maxValues {
			s.values = append(s.values, value)
		}
		return
	}
	m.samples = append(m.samples, sample{metric, dimensions, []float64{value}})
}

// Merge moves the values of other to m.
func (m *Metrics) Merge(other *Metrics) {
	for _, s := range other.take() {
		for _, value := range s.values {
			m.add(s.metric, value, s.dimensions)
		}
	}
}

// take removes and returns all samples.
func (m *Metrics) take() []sample {
	m.mu.Lock()
	defer m.mu.Unlock()
	taken := m.samples
	m.samples = nil
	return taken
}
