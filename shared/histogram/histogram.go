// Package histogram counts durations in logarithmic buckets, so that the counts of many instances and slots of time can be
// added up and still give percentiles: percentiles themselves cannot be averaged.
//
// Each bucket is 2^(1/8) times as wide as the one before it, so a percentile is at most 9 % off (a bucket's width). With
// many durations it is far closer: those of a bucket are taken to be spread evenly in it, so that percentiles move with what
// they measure and not in steps of a bucket.
package histogram

import (
	"math"
	"time"
)

const (
	// Buckets is how many there are: from 0.1 ms to 90 s, which is more than any request may take.
	Buckets = 160
	// perDoubling is how many buckets double the duration.
	perDoubling = 8
	// first is the upper bound of the first bucket, which begins at 0. The last bucket has no end.
	first = 100 * time.Microsecond
)

// Bucket returns the bucket of a duration, from 0 to Buckets-1. It does not allocate.
func Bucket(d time.Duration) int {
	if d < first {
		return 0
	}
	return min(1+int(perDoubling*math.Log2(float64(d)/float64(first))), Buckets-1)
}

// Bounds are from where (inclusive) to where (exclusive) a bucket reaches.
func Bounds(bucket int) (from, to time.Duration) {
	if bucket > 0 {
		from = bound(bucket - 1)
	}
	return from, bound(bucket)
}

func bound(bucket int) time.Duration {
	return time.Duration(float64(first) * math.Exp2(float64(bucket)/perDoubling))
}

// Histogram is how many durations fell into each bucket. The zero value is empty.
type Histogram [Buckets]int64

// Add counts n durations of a bucket. A bucket that does not exist is passed over.
func (h *Histogram) Add(bucket int, n int64) {
	if bucket >= 0 && bucket < Buckets {
		h[bucket] += n
	}
}

// Merge adds all that another histogram has counted.
func (h *Histogram) Merge(other *Histogram) {
	for i, n := range other {
		h[i] += n
	}
}

// Count returns how many durations were counted.
func (h *Histogram) Count() int64 {
	var n int64
	for _, in := range h {
		n += in
	}
	return n
}

// Quantile returns the duration that the part q (0 to 1) of all durations do not exceed. It is false if there are none.
func (h *Histogram) Quantile(q float64) (time.Duration, bool) {
	rank := max(1, int64(math.Ceil(q*float64(h.Count()))))
	var before int64
	for i, n := range h {
		if before+n >= rank {
			return within(i, (float64(rank-before)-0.5)/float64(n)), true
		}
		before += n
	}
	return 0, false
}

// within returns the duration that the part of a bucket's durations do not exceed. The first begins at 0.
func within(bucket int, part float64) time.Duration {
	if bucket == 0 {
		return time.Duration(float64(first) * part)
	}
	return time.Duration(float64(first) * math.Exp2((float64(bucket)-1+part)/perDoubling))
}
