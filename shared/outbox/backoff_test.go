package outbox

import (
	"testing"
	"time"
)

func TestBackoff(t *testing.T) {
	const almost = 1 - 1e-12
	for _, c := range []struct {
		attempt    int
		random     float64
		retryAfter time.Duration
		want       time.Duration
	}{
		{1, almost, 0, 30 * time.Second},
		{2, almost, 0, time.Minute},
		{3, 0.5, 0, time.Minute},
		{10, almost, 0, 256 * time.Minute},
		{11, almost, 0, 6 * time.Hour},
		{12, 0.5, 0, 3 * time.Hour},
		{1 << 40, almost, 0, 6 * time.Hour}, // no overflow
		{0, almost, 0, 30 * time.Second},
		{-1, almost, 0, 30 * time.Second},
		{5, 0, 0, time.Second}, // never immediately
		{1, 0, 2 * time.Minute, 2 * time.Minute},
		{5, almost, time.Minute, 8 * time.Minute}, // retryAfter is a lower bound
		{1, 0, 100 * time.Hour, 24 * time.Hour},
		{1, 0, -time.Hour, time.Second},
	} {
		if got := backoff(c.attempt, c.random, c.retryAfter); got.Round(time.Millisecond) != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// MaxAttempts documents the time until a message is dead-lettered.
func TestTotalBackoff(t *testing.T) {
	var longest time.Duration
	for attempt := 1; attempt < MaxAttempts; attempt++ {
		longest += backoff(attempt, 1, 0)
	}
	if longest.Round(30*time.Minute) != 14*time.Hour+30*time.Minute {
		t.Errorf("%v", longest)
	}
}
