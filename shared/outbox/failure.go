package outbox

import "time"

// Failure is a failed delivery. Every outbound adapter returns it.
type Failure struct {
	// Cause is one word for the message's row and for metrics, such as "throttled". It contains no delivered content.
	Cause string
	// Permanent reports that retrying this delivery cannot succeed.
	Permanent bool
	// AffectsDestination reports that every other delivery to this destination would fail now for the same reason.
	AffectsDestination bool
	// NeedsOwner reports that the owner has to change something first: a permission, an address, an account.
	NeedsOwner bool
	// RetryAfter is the pause that the destination requested; 0 for none.
	RetryAfter time.Duration
	// Err is the underlying error. It may contain an address or a secret: it is for tests, not for logs.
	Err error
}

// Error implements error.
func (f *Failure) Error() string { return "deliver: " + f.Cause }

// Unwrap returns Err.
func (f *Failure) Unwrap() error { return f.Err }
