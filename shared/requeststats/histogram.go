package requeststats

import (
	"math"
	"time"
)

const (
	// buckets is the number of buckets: from 0.1 ms to 90 s, which is more than any request may take.
	buckets = 160
	// perDoubling is the number of buckets in which the duration doubles.
	perDoubling = 8
	// firstBound is the upper bound of the first bucket, which begins at 0. The last bucket has no upper bound.
	firstBound = 100 * time.Microsecond
)

// bucketOf returns the bucket of a duration, from 0 to buckets-1. It does not allocate.
func bucketOf(d time.Duration) int {
	if d < firstBound {
		return 0
	}
	return min(1+int(perDoubling*math.Log2(float64(d)/float64(firstBound))), buckets-1)
}

// bounds returns the lower (inclusive) and upper (exclusive) bound of a bucket.
func bounds(bucket int) (from, to time.Duration) {
	if bucket > 0 {
		from = bound(bucket - 1)
	}
	return from, bound(bucket)
}

func bound(bucket int) time.Duration {
	return time.Duration(float64(firstBound) * math.Exp2(float64(bucket)/perDoubling))
}

// A Histogram counts durations in logarithmic buckets. Histograms of several instances and slots can be added, unlike
// their percentiles. The zero value is empty.
//
// Each bucket is 2^(1/8) times as wide as the one before it, so that a percentile is off by 9 % at most (the width of a
// bucket). With many durations it is much more precise: durations are assumed to be spread evenly over their bucket.
type Histogram [buckets]int64

// Add counts n durations of a bucket. A bucket that does not exist is ignored.
func (h *Histogram) Add(bucket int, n int64) {
	if bucket >= 0 && bucket < buckets {
		h[bucket] += n
	}
}

// Merge adds the counts of another histogram.
func (h *Histogram) Merge(other *Histogram) {
	for i, n := range other {
		h[i] += n
	}
}

// Count returns the number of durations.
func (h *Histogram) Count() int64 {
	var n int64
	for _, in := range h {
		n += in
	}
	return n
}

// Quantile returns the duration that a share q (0 to 1) of all durations does not exceed; false if there are none.
func (h *Histogram) Quantile(q float64) (time.Duration, bool) {
	rank := max(1, int64(math.Ceil(q*float64(h.Count()))))
	var before int64
	for i, n := range h {
		if before+n >= rank {
			return interpolate(i, (float64(rank-before)-0.5)/float64(n)), true
		}
		before += n
	}
	return 0, false
}

// interpolate returns the duration that a share of a bucket's durations does not exceed.
func interpolate(bucket int, share float64) time.Duration {
	if bucket == 0 {
		return time.Duration(float64(firstBound) * share)
	}
	return time.Duration(float64(firstBound) * math.Exp2((float64(bucket)-1+share)/perDoubling))
}
