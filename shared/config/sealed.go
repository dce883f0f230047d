package config

import "fmt"

// redacted replaces a secret in all output.
const redacted = "[redacted]"

// Sealed is a secret value. It prints as "[redacted]" with every fmt verb, in JSON, in text encodings and in logs, even
// in an unexported field, where fmt cannot call methods: a closure holds the value, and a function prints
// as its address. The zero value is an empty secret. Sealed is immutable and safe for concurrent use.
type Sealed struct{ reveal func() string }

// Seal returns s as a secret.
func Seal(s string) Sealed { return Sealed{func() string { return s }} }

// Reveal returns the secret.
func (s Sealed) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// IsZero reports whether the secret is missing or empty.
func (s Sealed) IsZero() bool { return s.Reveal() == "" }

// String implements fmt.Stringer.
func (Sealed) String() string { return redacted }

// Format implements fmt.Formatter, so that no verb or flag reveals the value.
func (Sealed) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalText implements encoding.TextMarshaler, which also covers JSON and slog.
func (Sealed) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// UnmarshalText implements encoding.TextUnmarshaler, for configuration structs.
func (s *Sealed) UnmarshalText(text []byte) error {
	*s = Seal(string(text))
	return nil
}
