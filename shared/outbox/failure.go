package outbox

import "time"

// Failure is a delivery that somebody outside did not take: what every outbound adapter returns.
type Failure struct {
	// Cause is one word for the row and for metrics, such as "throttled". It holds nothing of what was delivered.
	Cause string
	// Permanent says that another try of the same delivery cannot succeed.
	Permanent bool
	// General says that every other delivery of this adapter would fail in the same way now: it is not about this one.
	AffectsDestination bool
	// NeedsOwner says that it will not succeed before somebody changes something: a permission, an address, an account.
	NeedsOwner bool
	// RetryAfter is what the other side asked for; 0 if nothing.
	RetryAfter time.Duration
	// Err is what happened. It may hold an address or a secret: it is for tests, not for logs.
	Err error
}

// Error implements error.
func (f *Failure) Error() string { return "deliver: " + f.Cause }

// Unwrap gives Err.
func (f *Failure) Unwrap() error { return f.Err }
