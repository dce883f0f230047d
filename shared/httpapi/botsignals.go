package httpapi

import (
	"errors"
	"strconv"
	"strings"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
)

// BotSignals are the members that detect bots. They are the same in every request that causes an email.
type BotSignals struct {
	Website   string `json:"website"` // honeypot, hidden from people
	StartedAt Moment `json:"started_at"`
}

// Signals returns s, for bodies that embed it.
func (s BotSignals) Signals() BotSignals { return s }

// Moment is when a form was shown, as the page reports it: a time of RFC 3339, or the milliseconds of JavaScript's
// Date.now() as a number or text.
type Moment struct {
	Time time.Time // zero if unknown
	// Unreadable is set if the page reports a text that is no time.
	Unreadable bool
}

// ParseMoment returns the time of a text; the zero Moment for an empty one.
func ParseMoment(text string) Moment {
	text = strings.TrimSpace(text)
	if text == "" {
		return Moment{}
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return Moment{Time: at}
	}
	if millis, err := strconv.ParseFloat(text, 64); err == nil && millis > 0 && millis < 1e15 {
		return Moment{Time: time.UnixMilli(int64(millis))}
	}
	return Moment{Unreadable: true}
}

// UnmarshalJSON accepts any text or number, and null.
func (m *Moment) UnmarshalJSON(value []byte) error {
	text := string(value)
	switch {
	case text == "null":
		text = ""
	case value[0] == '"':
		if err := jsonv2.Unmarshal(value, &text, lenient); err != nil {
			return err
		}
	case value[0] != '-' && (value[0] < '0' || value[0] > '9'):
		return errors.New("neither a text nor a number")
	}
	*m = ParseMoment(text)
	return nil
}
