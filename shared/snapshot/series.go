package snapshot

import (
	"encoding/json"
	"math"
)

// Series has a value for each slot; NaN is unknown, null in JSON.
type Series [Slots]float64

// unknownSeries returns a Series without a value.
func unknownSeries() (s Series) {
	for i := range s {
		s[i] = math.NaN()
	}
	return s
}

// set sets the value of a slot. It ignores slots outside the window, as written by a clock that is ahead.
func (s *Series) set(slot int, value float64) {
	if slot >= 0 && slot < Slots {
		s[slot] = value
	}
}

// Max returns the largest known value, or 0.
func (s *Series) Max() float64 {
	most := 0.0
	for _, value := range s {
		if !math.IsNaN(value) {
			most = max(most, value)
		}
	}
	return most
}

// Sum returns the sum of the known values.
func (s *Series) Sum() int64 {
	var sum float64
	for _, value := range s {
		if !math.IsNaN(value) {
			sum += value
		}
	}
	return int64(sum)
}

// MarshalJSON implements json.Marshaler.
func (s Series) MarshalJSON() ([]byte, error) {
	var values [Slots]*float64
	for i := range s {
		if !math.IsNaN(s[i]) {
			values[i] = &s[i]
		}
	}
	return json.Marshal(values)
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *Series) UnmarshalJSON(text []byte) error {
	var values [Slots]*float64
	if err := json.Unmarshal(text, &values); err != nil {
		return err
	}
	*s = unknownSeries()
	for i, value := range values {
		if value != nil {
			s[i] = *value
		}
	}
	return nil
}
