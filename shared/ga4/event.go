package ga4

import (
	"crypto/rand"
	"encoding/binary"
	"regexp"
	"strconv"
	"time"
	"unicode/utf8"
)

// EventName is the name of an event, 1 to 40 characters.
type EventName string

// The event names in the property.
const (
	SignedUp     EventName = "newsletter_signup"
	Confirmed    EventName = "newsletter_confirmed"
	Unsubscribed EventName = "newsletter_unsubscribed"
)

// Event is an event to count.
type Event struct {
	Name EventName
	At   time.Time
	// Source, Medium and Campaign are the attribution of the subscriber's first visit (utm_source, utm_medium and
	// utm_campaign); each may be empty.
	Source, Medium, Campaign string
}

// payload is the body of a request (developers.google.com/analytics/devguides/collection/protocol/ga4/reference).
type payload struct {
	ClientID           string      `json:"client_id"`
	TimestampMicros    int64       `json:"timestamp_micros"`
	NonPersonalizedAds bool        `json:"non_personalized_ads"`
	Consent            consent     `json:"consent"`
	Events             []eventBody `json:"events"`
}

type consent struct {
	AdUserData        string `json:"ad_user_data"`
	AdPersonalization string `json:"ad_personalization"`
}

type eventBody struct {
	Name   EventName      `json:"name"`
	Params map[string]any `json:"params"`
}

// payload returns the request body of an event, without personal data.
func (e Event) payload() payload {
	params := map[string]any{
		"session_id":           strconv.Itoa(int(randomNumber())), // reports omit an event without a session and a time
		"engagement_time_msec": 1,
	}
	for name, value := range map[string]string{"source": e.Source, "medium": e.Medium, "campaign": e.Campaign} {
		if value = impersonal(value); value != "" {
			params[name] = value
		}
	}
	return payload{
		ClientID:        strconv.Itoa(int(randomNumber())) + "." + strconv.Itoa(int(randomNumber())),
		TimestampMicros: e.At.UnixMicro(), NonPersonalizedAds: true,
		Consent: consent{AdUserData: "DENIED", AdPersonalization: "DENIED"},
		Events:  []eventBody{{e.Name, params}},
	}
}

// randomNumber returns a random number of the form that Google's own scripts use.
func randomNumber() uint32 {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return 1_000_000_000 + binary.BigEndian.Uint32(b[:])%3_000_000_000
}

// maxValue is the maximum length of a parameter's value in characters.
const maxValue = 100

var (
	campaignWord = regexp.MustCompile(`^[\pL\pN][\pL\pN ._~:/+-]*$`) // neither @ nor a percent sign
	longNumber   = regexp.MustCompile(`\pN[\pN ./-]{5,}\pN`)         // a telephone or customer number
	longToken    = regexp.MustCompile(`[\pL\pN_-]{33,}`)             // a hash, or an id
)

// impersonal returns value, or "" if it could identify a person: visitors can put anything into a link.
func impersonal(value string) string {
	if utf8.RuneCountInString(value) > maxValue || !campaignWord.MatchString(value) || longNumber.MatchString(value) || longToken.MatchString(value) {
		return ""
	}
	return value
}
