package httpapi

import (
	"net/url"
	"time"
)

// BotSignals are the members that detect bots. They are the same in every request that causes an email.
type BotSignals struct {
	Website   string    `json:"website"`    // honeypot, hidden from people
	StartedAt time.Time `json:"started_at"` // when the form was shown; zero if unknown
}

// FormBotSignals parses the bot signals of a form. The error names the field.
func FormBotSignals(form url.Values) (s BotSignals, err error) {
	s.Website = form.Get("website")
	if at := form.Get("started_at"); at != "" {
		if s.StartedAt, err = time.Parse(time.RFC3339, at); err != nil {
			return s, Invalid(FieldError{Detail: `This must be a time such as "2026-01-31T12:00:00Z".`, Pointer: "#/started_at"})
		}
	}
	return s, nil
}
