package requeststats

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

// series returns intervals of 1,000 requests, a step apart, with these 95th percentiles in milliseconds.
func series(step time.Duration, p95 ...float64) []Interval {
	start := time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)
	all := make([]Interval, len(p95))
	for i, v := range p95 {
		all[i] = Interval{At: start.Add(time.Duration(i) * step), Requests: 1000, P95: time.Duration(v * float64(time.Millisecond))}
	}
	return all
}

func few(in []Interval) []Interval {
	for i := range in {
		in[i].Requests = minRequests - 1
	}
	return in
}

// slowerThan compares intervals with one baseline.
func slowerThan(usual Usual, now []Interval) bool {
	_, slow := slower(now, defaultPercent, func(time.Time) Usual { return usual })
	return slow
}

// TestSlowerThanUsual: the limit of the uneven weeks is 100 + max(3 × 1.4826 × 5, 20, 10) = 122.239 ms.
func TestSlowerThanUsual(t *testing.T) {
	t.Parallel()
	uneven := series(week, 95, 105, 95, 105, 100, 100)
	for name, test := range map[string]struct {
		weeks, now []Interval
		want       bool
	}{
		"empty":                     {nil, nil, false},
		"no history":                {nil, series(slotLength, 900, 900, 900, 900, 900), false},
		"two weeks":                 {series(week, 100, 100), series(slotLength, 900, 900, 900, 900, 900), false},
		"quiet weeks":               {few(series(week, 100, 100, 100, 100)), series(slotLength, 900, 900, 900, 900, 900), false},
		"constant":                  {series(week, 100, 100, 100, 100, 100, 100), series(slotLength, 100, 100, 100, 100, 100), false},
		"20 % slower":               {series(week, 100, 100, 100), series(slotLength, 120, 120, 120, 120, 120), false},
		"step":                      {series(week, 100, 100, 100), series(slotLength, 100, 100, 121, 121, 121), true},
		"new step":                  {series(week, 100, 100, 100), series(slotLength, 100, 100, 100, 121, 121), false},
		"ramp":                      {series(week, 100, 100, 100), series(slotLength, 110, 119, 128, 137, 146), true},
		"spike":                     {series(week, 100, 100, 100), series(slotLength, 100, 100, 5000, 100, 100), false},
		"two spikes":                {series(week, 100, 100, 100), series(slotLength, 5000, 100, 5000, 100, 100), false},
		"uneven weeks, within":      {uneven, series(slotLength, 122, 122, 122, 122, 122), false},
		"uneven weeks, above":       {uneven, series(slotLength, 122.3, 122.3, 122.3, 122.3, 122.3), true},
		"one bad week":              {series(week, 100, 3000, 100, 100, 100, 100), series(slotLength, 150, 150, 150, 150, 150), true},
		"few requests":              {series(week, 100, 100, 100), few(series(slotLength, 900, 900, 900, 900, 900)), false},
		"10 ms slower":              {series(week, 5, 5, 5), series(slotLength, 15, 15, 15, 15, 15), false},
		"11 ms slower":              {series(week, 5, 5, 5), series(slotLength, 16, 16, 16, 16, 16), true},
		"slow before the last five": {series(week, 100, 100, 100), series(slotLength, 900, 900, 900, 100, 100, 100, 100, 100), false},
	} {
		if got := slowerThan(usualOf(test.weeks), test.now); got != test.want {
			t.Errorf("%s: %v, want %v (limit %v)", name, got, test.want, usualOf(test.weeks).Limit(defaultPercent))
		}
	}
}

// TestDailyPattern checks that hours are compared with the same hour of the week.
func TestDailyPattern(t *testing.T) {
	t.Parallel()
	pattern := func(hour int) float64 { return 100 + 80*math.Sin(2*math.Pi*float64(hour)/24) }
	for hour := range 24 * 7 {
		usual := usualOf(series(week, pattern(hour), pattern(hour)*1.02, pattern(hour)*0.98, pattern(hour)))
		if v := pattern(hour) * 1.05; slowerThan(usual, series(slotLength, v, v, v, v, v)) {
			t.Errorf("hour %d is slower than usual", hour)
		}
		if v := pattern(hour)*1.2 + 25; !slowerThan(usual, series(slotLength, v, v, v, v, v)) {
			t.Errorf("hour %d is not slower than usual at %.0f ms", hour, v)
		}
	}
}

func TestSlowdownPercent(t *testing.T) {
	t.Parallel()
	usual := usualOf(series(week, 100, 100, 100))
	for percent, want := range map[float64]bool{40: true, 60: false} {
		if _, got := slower(series(slotLength, 150, 150, 150, 150, 150), percent, func(time.Time) Usual { return usual }); got != want {
			t.Errorf("%v percent: %v", percent, got)
		}
	}
}

func TestTrend(t *testing.T) {
	t.Parallel()
	ramp := make([]float64, days)
	random := rand.New(rand.NewPCG(7, 7))
	noise := make([]float64, days)
	for i := range ramp {
		ramp[i], noise[i] = 100+4*float64(i), 100+random.NormFloat64()
	}
	spike := append([]float64{}, ramp...)
	spike[5] = 4000
	step := append([]float64{}, noise...)
	for i := 7; i < len(step); i++ {
		step[i] += 50
	}
	const day = 24 * time.Hour
	for name, test := range map[string]struct {
		days    []Interval
		known   bool
		perDay  float64 // ms
		crosses float64 // days until 200 ms; 0: never
	}{
		"empty":             {nil, false, 0, 0},
		"six days":          {series(day, 100, 110, 120, 130, 140, 150), false, 0, 0},
		"quiet days":        {few(series(day, ramp...)), false, 0, 0},
		"constant":          {series(day, 100, 100, 100, 100, 100, 100, 100, 100), true, 0, 0},
		"ramp":              {series(day, ramp...), true, 4, 12},  // 152 ms today, 48 to go
		"ramp with a spike": {series(day, spike...), true, 4, 12}, // which does not change the trend
		"falling":           {series(day, 190, 180, 170, 160, 150, 140, 130), true, -10, 0},
		"above already":     {series(day, 210, 220, 230, 240, 250, 260, 270), true, 10, 0},
		"random noise":      {series(day, noise...), true, 0, 0},
	} {
		got := trendOf(test.days)
		in, crosses := got.Crosses(200 * time.Millisecond)
		if got.Known != test.known || math.Abs(float64(got.PerDay)/1e6-test.perDay) > 0.5 || crosses != (test.crosses > 0) || math.Abs(in-test.crosses) > 0.01 {
			t.Errorf("%s: %+v, crosses in %.2f days (%v)", name, got, in, crosses)
		}
	}
	if got := trendOf(series(day, step...)); !got.Rising {
		t.Errorf("a step does not rise: %+v", got)
	}
}

// TestSmallTrend checks that histograms are precise enough for a millisecond a day.
func TestSmallTrend(t *testing.T) {
	t.Parallel()
	for start := 100.0; start < 190; start += 5 {
		all := make([]Interval, days)
		for day := range all {
			var h Histogram
			for i := range 1000 {
				ms := (start + float64(day)) * (0.5 + 0.5*float64(i)/950)
				h.Add(bucketOf(time.Duration(ms*float64(time.Millisecond))), 1)
			}
			all[day] = Interval{At: time.Date(2026, 3, 1+day, 0, 0, 0, 0, time.UTC), Requests: 1000}
			all[day].P95, _ = h.Quantile(0.95)
		}
		if got := trendOf(all); !got.Rising || got.PerDay < 500*time.Microsecond || got.PerDay > 1500*time.Microsecond {
			t.Errorf("from %.0f ms: %+v", start, got)
		}
	}
}

func TestMedian(t *testing.T) {
	t.Parallel()
	for want, values := range map[float64][]float64{1: {1}, 1.5: {2, 1}, 2: {9, 1, 2}, 2.5: {4, 3, 2, 1}} {
		if got := median(values); got != want {
			t.Errorf("%v: %v", values, got)
		}
	}
}
