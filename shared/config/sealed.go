package config

import "fmt"

// redacted is what a secret prints as, however it is printed.
const redacted = "[redacted]"

// Sealed is a secret value. It prints as "[redacted]" with every fmt verb, in JSON, in text encodings and in logs, also
// from within an unexported field, where fmt cannot call methods: the value is held by a closure, and a function prints
// as its address. The zero value is an empty secret. Sealed is immutable and safe for concurrent use.
type Sealed struct{ reveal func() string }

// Seal hides s.
func Seal(s string) Sealed { return Sealed{func() string { return s }} }

// Reveal gives the secret to the one place that needs it.
func (s Sealed) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// IsZero says whether there is no secret, or an empty one.
func (s Sealed) IsZero() bool { return s.Reveal() == "" }

// String implements fmt.Stringer.
func (Sealed) String() string { return redacted }

// Format implements fmt.Formatter, so that no verb and no flag shows more.
func (Sealed) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalText implements encoding.TextMarshaler, which also covers JSON and slog.
func (Sealed) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// UnmarshalText implements encoding.TextUnmarshaler, by which a configuration struct is filled.
func (s *Sealed) UnmarshalText(text []byte) error {
	*s = Seal(string(text))
	return nil
}
