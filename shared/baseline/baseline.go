// Package baseline says how fast a route usually is at this hour of the week, whether it is slower now, and where its days
// lead.
//
// A baseline is the median of the same hour of the last weeks, and their spread the median absolute deviation: neither is
// moved by one bad week. Percentiles come from histograms that were added up, never from other percentiles. Cold starts
// are a series of their own: they say how long an environment takes to start, not how the service is.
//
// Failure policy: with too little history nothing is said. Errors of the database are returned.
package baseline

import (
	"math"
	"slices"
	"time"
)

const (
	// weeks is how far the baseline looks back, and leastWeeks how many of them must have enough requests.
	weeks, leastWeeks = 6, 3
	// leastRequests is how many requests an interval, an hour or a day needs for its 95th percentile to mean something.
	leastRequests = 50
	// intervals are looked at, of which so many must be too slow: one spike is no trouble.
	intervals, leastSlow = 5, 3
	// perSigma makes the deviation of a normal distribution of its median absolute deviation.
	perSigma = 1.4826
	// leastExcess is the least that counts, however even the weeks were, and leastPercent the part of the usual time that it
	// must be by default.
	leastExcess, leastPercent = 10 * time.Millisecond, 20
	// days are looked at for the trend, of which so many must have enough requests.
	days, leastDays = 14, 7
	// significant is the one-sided 5 % quantile of the normal distribution, for the Mann-Kendall test.
	significant = 1.645
)

// Interval is how fast requests were within some time.
type Interval struct {
	At            time.Time `json:"at"`
	Requests      int64     `json:"requests"`
	Errors        int64     `json:"errors"` // 5xx
	P50, P95, P99 time.Duration
}

// enough reports whether the percentiles mean something.
func (i Interval) enough() bool { return i.Requests >= leastRequests }

// Usual is how long the slowest 5 % of requests usually take at least.
type Usual struct {
	Median, MAD time.Duration
	Weeks       int // that it is made of; 0: it is not known
}

// UsualOf makes the baseline of the same hour of several weeks; those with too few requests are left out.
func UsualOf(hours []Interval) Usual {
	var p95 []float64
	for _, h := range hours {
		if h.enough() {
			p95 = append(p95, float64(h.P95))
		}
	}
	if len(p95) < leastWeeks {
		return Usual{}
	}
	middle := median(p95)
	off := make([]float64, len(p95))
	for i, v := range p95 {
		off[i] = math.Abs(v - middle)
	}
	return Usual{time.Duration(middle), time.Duration(median(off)), len(p95)}
}

// Limit is from where on an interval is too slow: three deviations, so many percent, or 10 ms more, whichever is most.
func (u Usual) Limit(percent float64) time.Duration {
	excess := max(3*perSigma*float64(u.MAD), percent/100*float64(u.Median), float64(leastExcess))
	return u.Median + time.Duration(excess)
}

// Slow is an interval that is too slow, and what is usual at its hour.
type Slow struct {
	Interval
	Usual Usual
}

// slower returns the latest interval that is too slow for its own hour, if most of the last intervals are; usual knows the
// hours. The intervals are in order, the latest last.
func slower(last []Interval, percent float64, usual func(hour time.Time) Usual) (latest Slow, most bool) {
	slow := 0
	for _, i := range last[max(0, len(last)-intervals):] {
		if u := usual(i.At.Truncate(time.Hour)); u.Weeks > 0 && i.enough() && i.P95 > u.Limit(percent) {
			latest = Slow{i, u}
			slow++
		}
	}
	return latest, slow >= leastSlow
}

// Trend is where the days lead.
type Trend struct {
	Known  bool          // there are enough days
	PerDay time.Duration // Theil-Sen slope of the daily 95th percentiles
	Now    time.Duration // the line at the last day
	Rising bool          // the days rise, and that is no chance (Mann-Kendall, one-sided, 5 %)
}

// TrendOf fits a line to days. Outliers do not move it: it is the median of the slopes between any two days.
func TrendOf(series []Interval) Trend {
	var at, p95 []float64
	for _, d := range series {
		if d.enough() {
			at, p95 = append(at, d.At.Sub(series[0].At).Hours()/24), append(p95, float64(d.P95))
		}
	}
	if len(at) < leastDays {
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

// Crosses returns in how many days a rising line crosses a target that it is still below.
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

// median of values, of which there is at least one.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}
