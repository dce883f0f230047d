package requeststats

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestBucketsMatchTheirbounds(t *testing.T) {
	t.Parallel()
	for bucket := range buckets {
		from, to := bounds(bucket)
		for _, d := range []time.Duration{from + time.Nanosecond, (from + to) / 2, to - time.Microsecond/100} {
			if got := bucketOf(d); got != bucket {
				t.Errorf("%v is in bucket %d, want %d (%v to %v)", d, got, bucket, from, to)
			}
		}
	}
	for d, want := range map[time.Duration]int{-time.Second: 0, 0: 0, time.Hour: buckets - 1, math.MaxInt64: buckets - 1} {
		if got := bucketOf(d); got != want {
			t.Errorf("%v is in bucket %d, want %d", d, got, want)
		}
	}
	if from, _ := bounds(buckets - 1); from < 60*time.Second {
		t.Errorf("the last bucket begins at %v", from)
	}
}

// TestQuantileIsPrecise compares with the exact percentiles of random durations, after a merge.
func TestQuantileIsPrecise(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		var parts [3]Histogram
		var exact []time.Duration
		middle := math.Exp(random.Float64() * 8)
		for range 1 + random.IntN(2000) {
			d := time.Duration(middle * math.Exp(random.NormFloat64()) * float64(time.Millisecond))
			d = min(max(d, firstBound), time.Minute)
			exact = append(exact, d)
			parts[random.IntN(3)].Add(bucketOf(d), 1)
		}
		parts[0].Merge(&parts[1])
		parts[0].Merge(&parts[2])
		slices.Sort(exact)
		for _, q := range []float64{0, 0.5, 0.95, 0.99, 1} {
			want := exact[max(0, int(math.Ceil(q*float64(len(exact))))-1)]
			got, found := parts[0].Quantile(q)
			if off := math.Abs(float64(got)/float64(want) - 1); !found || off > 0.0906 {
				t.Errorf("p%g of %d is %v, exactly %v: %.1f %% off", 100*q, len(exact), got, want, 100*off)
			}
		}
	}
}

// TestQuantileIsSmooth checks that quantiles do not move in steps of a bucket.
func TestQuantileIsSmooth(t *testing.T) {
	t.Parallel()
	var last time.Duration
	for ms := 100.0; ms < 200; ms++ {
		var h Histogram
		const n = 1000
		for i := range n { // evenly from half of it, with the 95th percentile there
			h.Add(bucketOf(time.Duration(ms*(0.5+0.5*float64(i)/(0.95*n))*float64(time.Millisecond))), 1)
		}
		got, _ := h.Quantile(0.95)
		if math.Abs(float64(got)/1e6-ms) > 0.02*ms || got <= last {
			t.Errorf("p95 is %v after %v, want %v ms", got, last, ms)
		}
		last = got
	}
}

func TestQuantileOfEmptyHistogram(t *testing.T) {
	t.Parallel()
	var h Histogram
	h.Add(-1, 5)
	h.Add(buckets, 5)
	if _, found := h.Quantile(0.5); found || h.Count() != 0 {
		t.Error("an empty histogram has a quantile")
	}
}

func TestBucketDoesNotAllocate(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() { _ = bucketOf(42 * time.Millisecond) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
