// Package telemetry collects the figures of an invocation and writes them as CloudWatch metrics in the Embedded Metric
// Format: as members of the log line that is written anyway, so that they cost no call.
//
// Invariants: only metrics of the Catalog exist, each with the dimensions that it names, whose values are words of this
// code and never a visitor's. A document names each of its metrics and dimensions as a member of its root, holds at most
// 100 values of a metric, and says a dimension's value once.
//
// Failure policy: there is none to have; outside of an invocation figures are dropped.
package telemetry

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"
)

// Config says where the metrics go.
type Config struct {
	// CloudWatch's name space of the metrics. The template adds the stack's name.
	Namespace string `env:"METRICS_NAMESPACE" envDefault:"Newsletter" from:"template"`
}

// Metrics are the figures of one invocation. It is safe for concurrent use.
type Metrics struct {
	mu      sync.Mutex
	samples []sample
}

// sample is all that was added to one metric with the same dimensions.
type sample struct {
	metric     *Metric
	dimensions []string // values, in the order of the metric's names
	values     []float64
}

// Request is an HTTP request that was answered.
type Request struct {
	Endpoint string // the function and the method: "subscribe POST"; GET, POST or OTHER
	Status   int
	Cold     bool // it was the first of its environment
	Duration time.Duration
}

type contextKey struct{}

// With gives ctx figures of its own.
func With(ctx context.Context) (context.Context, *Metrics) {
	m := &Metrics{}
	return context.WithValue(ctx, contextKey{}, m), m
}

// Add adds a figure to the invocation that ctx belongs to: a count adds up, all else is kept as a value of its own.
// dimensions are the values of the metric's dimensions, in its order, without the function's name, which is known. A figure
// that is no number, or has not the metric's dimensions, is dropped.
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

// Absorb moves the figures of other here.
func (m *Metrics) Merge(other *Metrics) {
	for _, s := range other.take() {
		for _, value := range s.values {
			m.add(s.metric, value, s.dimensions)
		}
	}
}

// take gives the figures, and forgets them.
func (m *Metrics) take() []sample {
	m.mu.Lock()
	defer m.mu.Unlock()
	taken := m.samples
	m.samples = nil
	return taken
}
