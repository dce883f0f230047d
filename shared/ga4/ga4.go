// Package ga4 counts sign-ups, confirmations and unsubscribes in a Google Analytics 4 property (Measurement Protocol).
// It is off unless both its settings are set.
//
// Google receives the kind of an event, its time and its campaign, and no personal data. Every event has its own random
// client id, which is not stored, so events cannot be linked. Advertising use is denied. Campaign values that could
// contain an address or a personal number are omitted.
//
// Failure policy: Google reports success whatever it receives, so a wrong id or secret shows only in the property. A
// call is made once; the error is a *outbox.Failure, and the outbox retries. An event counts twice only after a lost
// response.
package ga4

import (
	"cmp"
	"errors"
	"net/http"
	"regexp"
	"time"

	"newsletter/shared/config"
)

// Config configures the property.
type Config struct {
	// Count sign-ups in this web data stream of Google Analytics 4. Empty, with GA4_API_SECRET: nothing is sent.
	MeasurementID string `env:"GA4_MEASUREMENT_ID" example:"G-AB12CD34EF"`
	// The Measurement Protocol API secret of that stream.
	APISecret config.Sealed `env:"GA4_API_SECRET"`
	// BaseURL is the endpoint's base URL, without a trailing slash. Empty for Google's own, which collects events in the
	// EU, wherever the site is (Measurement Protocol, "Data collection in the EU").
	BaseURL string
}

// base returns the base URL.
func (c Config) base() string {
	return cmp.Or(c.BaseURL, "https://region1.google-analytics.com")
}

// Enabled reports whether a property is configured.
func (c Config) Enabled() bool { return c.MeasurementID != "" && !c.APISecret.IsZero() }

var measurementID = regexp.MustCompile(`^G-[A-Z0-9]{4,20}$`)

// Validate implements the check of config.Env.Read.
func (c Config) Validate() error {
	var problems []error
	switch {
	case c.MeasurementID != "" && c.APISecret.IsZero():
		problems = append(problems, errors.New("GA4_API_SECRET: required with GA4_MEASUREMENT_ID"))
	case c.MeasurementID == "" && !c.APISecret.IsZero():
		problems = append(problems, errors.New("GA4_MEASUREMENT_ID: required with GA4_API_SECRET"))
	}
	if c.MeasurementID != "" && !measurementID.MatchString(c.MeasurementID) {
		problems = append(problems, errors.New("GA4_MEASUREMENT_ID: must be the id of a web data stream"))
	}
	return errors.Join(problems...)
}

// Doer sends requests.
type Doer interface {
	Do(r *http.Request) (*http.Response, error)
}

// Client sends events to a property. It is safe for concurrent use.
type Client struct {
	config Config
	http   Doer
	now    func() time.Time
}

// New returns the client of a valid and enabled Config. It does no I/O.
func New(cfg Config, client Doer, now func() time.Time) *Client { return &Client{cfg, client, now} }
