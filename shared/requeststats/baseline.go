package requeststats

import (
	"math"
	"slices"
	"time"
)

const (
	// weeks is the number of earlier weeks in a baseline, of which at least minWeeks must have enough requests.
	weeks, minWeeks = 6, 3
	// minRequests is the number of requests that an interval, an hour or a day needs for a meaningful 95th percentile.
	minRequests = 50
	// intervals is the number of last intervals that are compared, of which at least minSlow must be too slow: a single
	// spike is no problem.
	intervals, minSlow = 5, 3
	// perSigma converts the median absolute deviation of a normal distribution to its standard deviation.
	perSigma = 1.4826
	// minExcess is the smallest excess over the usual latency that is too slow, and defaultPercent the smallest one as
	// a percentage.
	minExcess, defaultPercent = 10 * time.Millisecond, 20
	// days is the number of days in a trend, of which at least minDays must have enough requests.
	days, minDays = 14, 7
	// significant is the one-sided 5 % quantile of the normal distribution, for the Mann-Kendall test.
	significant = 1.645
)

// An Interval has the requests and latencies of a period.
type Interval struct {
	At            time.Time `json:"at"`
	Requests      int64     `json:"requests"`
	Errors        int64     `json:"errors"` // 5xx
	P50, P95, P99 time.Duration
}

// enough reports whether the percentiles are meaningful.
func (i Interval) enough() bool { return i.Requests >= minRequests }

// Usual is the baseline of the 95th percentile of a route at one hour of the week: the median of the same hour in
// earlier weeks, and its median absolute deviation. One bad week changes neither.
type Usual struct {
	Median, MAD time.Duration
	Weeks       int // number of weeks; 0: unknown
}

// usualOf returns the baseline of the same hour in several weeks, without those that have too few requests.
func usualOf(hours []Interval) Usual {
	var p95 []float64
	for _, h := range hours {
		if h.enough() {
			p95 = append(p95, float64(h.P95))
		}
	}
	if len(p95) < minWeeks {
		return Usual{}
	}
	middle := median(p95)
	deviations := make([]float64, len(p95))
	for i, v := range p95 {
		deviations[i] = math.Abs(v - middle)
	}
	return Usual{time.Duration(middle), time.Duration(median(deviations)), len(p95)}
}

// Limit returns the latency above which an interval is too slow: the median plus the largest of three standard
// deviations, the percentage, and 10 ms.
func (u Usual) Limit(percent float64) time.Duration {
	excess := max(3*perSigma*float64(u.MAD), percent/100*float64(u.Median), float64(minExcess))
	return u.Median + time.Duration(excess)
}

// Slow is an interval that is too slow, and the baseline of its hour.
type Slow struct {
	Interval
	Usual Usual
}

// slower returns the latest interval that is too slow for its own hour, and reports whether most of the last intervals
// are. The intervals are in order, the latest last.
func slower(last []Interval, percent float64, usual func(hour time.Time) Usual) (latest Slow, most bool) {
	slow := 0
	for _, i := range last[max(0, len(last)-intervals):] {
		if u := usual(i.At.Truncate(time.Hour)); u.Weeks > 0 && i.enough() && i.P95 > u.Limit(percent) {
			latest = Slow{i, u}
			slow++
		}
	}
	return latest, slow >= minSlow
}

// A Trend is the line through the daily 95th percentiles of a route.
type Trend struct {
	Known  bool          // false: there are too few days
	PerDay time.Duration // Theil-Sen slope
	Now    time.Duration // the line at the last day
	Rising bool          // the slope is positive and significant (Mann-Kendall, one-sided, 5 %)
}

// trendOf returns the trend of days. Its slope is the median of the slopes between any two days, so that outliers do
// not change it.
func trendOf(series []Interval) Trend {
	var at, p95 []float64
	for _, d := range series {
		if d.enough() {
			at, p95 = append(at, d.At.Sub(series[0].At).Hours()/24), append(p95, float64(d.P95))
		}
	}
	if len(at) < minDays {
		return Trend{}
	}
	var slopes []float64
	score := 0
	for i := range at {
		for j := range i {
			rise := p95[i] - p95[j]
			slopes = append(slopes, rise/(at[i]-at[j]))
			score += sign(rise)
		}
	}
	slope := median(slopes)
	heights := make([]float64, len(at))
	for i := range at {
		heights[i] = p95[i] - slope*at[i]
	}
	n := float64(len(at))
	deviation := math.Sqrt(n * (n - 1) * (2*n + 5) / 18)
	return Trend{
		Known: true, PerDay: time.Duration(slope), Now: time.Duration(median(heights) + slope*at[len(at)-1]),
		Rising: slope > 0 && (float64(score)-1)/deviation > significant,
	}
}

// Crosses returns the number of days until a rising line crosses a target above it.
func (t Trend) Crosses(target time.Duration) (inDays float64, crosses bool) {
	if !t.Rising || t.Now >= target {
		return 0, false
	}
	return float64(target-t.Now) / float64(t.PerDay), true
}

func sign(v float64) int {
	switch {
	case v > 0:
		return 1
	case v < 0:
		return -1
	}
	return 0
}

// median returns the median of at least one value.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}
