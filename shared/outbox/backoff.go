package outbox

import "time"

const (
	// MaxAttempts is how often a row is tried before it is dead: with the pauses below after 14.5 h at most and 7 h on
	// average.
	MaxAttempts = 12
	// firstPause is the upper bound of the pause after the first failure; it doubles with each further one.
	firstPause = 30 * time.Second
	// maxPause bounds a pause of our own choosing.
	maxPause = 6 * time.Hour
	// minPause keeps a random pause from being none.
	minPause = time.Second
	// maxRetryAfter bounds a pause that the other side asks for.
	maxRetryAfter = 24 * time.Hour
)

// Backoff is the pause after the given failed attempt (1 is the first): uniformly random below 30 s doubled with each
// attempt and at most 6 h ("full jitter", so that rows that failed together do not return together), but never shorter
// than what the other side asked for with Retry-After, up to 24 h. random is in [0, 1).
func Backoff(attempt int, random float64, retryAfter time.Duration) time.Duration {
	bound := maxPause
	if doublings := max(attempt, 1) - 1; doublings < 10 { // 30 s · 2¹⁰ is beyond 6 h
		bound = min(maxPause, firstPause<<doublings)
	}
	pause := max(minPause, time.Duration(random*float64(bound)))
	return max(pause, min(retryAfter, maxRetryAfter))
}
