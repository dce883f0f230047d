package outbox

import "time"

const (
	// MaxAttempts is the number of attempts before a message is dead-lettered. With the pauses below, that takes at
	// most 14.5 h, and 7 h on average.
	MaxAttempts = 12
	// firstPause is the upper bound of the pause after the first failure; it doubles with each further one.
	firstPause = 30 * time.Second
	// maxPause bounds a pause computed by backoff.
	maxPause = 6 * time.Hour
	// minPause is the lower bound of a random pause.
	minPause = time.Second
	// maxRetryAfter bounds a pause requested with Retry-After.
	maxRetryAfter = 24 * time.Hour
)

// backoff returns the pause after a failed attempt (1 is the first). It is uniformly random below a bound that starts
// at 30 s, doubles with each attempt and stops at 6 h ("full jitter": messages that failed together do not return
// together). It is never shorter than retryAfter, up to 24 h. random is in [0, 1).
func backoff(attempt int, random float64, retryAfter time.Duration) time.Duration {
	bound := maxPause
	if doublings := max(attempt, 1) - 1; doublings < 10 { // 30 s · 2¹⁰ is beyond 6 h
		bound = min(maxPause, firstPause<<doublings)
	}
	pause := max(minPause, time.Duration(random*float64(bound)))
	return max(pause, min(retryAfter, maxRetryAfter))
}
