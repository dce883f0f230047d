// Package ga4 counts sign-ups, confirmations and unsubscriptions in a Google Analytics 4 property (Measurement
// Protocol), for owners who look at their numbers there. It is off unless both its variables are set.
//
// Google learns that something of a kind happened, when, and through which campaign; nothing about whom. Every event has a
// client id of its own, drawn at random and kept nowhere, so no two events belong together. Advertising use is denied. A
// campaign's word that could hold an address or a number of a person is left out.
//
// Failure policy: Google answers with success whatever it is sent, so a wrong id or secret shows in the property alone. An
// event is tried once; the error is a *outbox.Failure, and the outbox repeats. Only a lost answer makes an event count
// twice.
package ga4

import (
	"errors"
	"net/http"
	"regexp"
	"time"

	"newsletter/shared/config"
)

// Config names the property.
type Config struct {
	// Count sign-ups in this web data stream of Google Analytics 4. Empty, with GA4_API_SECRET: nothing is sent.
	MeasurementID string `env:"GA4_MEASUREMENT_ID" example:"G-AB12CD34EF"`
	// Send events to Google's EU endpoint, which collects them in the EU.
	EU bool `env:"GA4_EU" envDefault:"false"`
	// The Measurement Protocol API secret of that stream.
	APISecret config.Sealed `env:"GA4_API_SECRET"`
	// BaseURL is where events go, without a trailing slash. Empty for Google's own addresses (Measurement Protocol,
	// "Transport" and "Data collection in the EU").
	BaseURL string
}

// base returns where events go.
func (c Config) base() string {
	switch {
	case c.BaseURL != "":
		return c.BaseURL
	case c.EU:
		return "https://region1.google-analytics.com"
	}
	return "https://www.google-analytics.com"
}

// Enabled reports whether there is a property at all.
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

// Client is where events are counted. It is safe for concurrent use.
type Client struct {
	config Config
	http   Doer
	now    func() time.Time
}

// New returns the client of a valid and enabled Config. It does no I/O.
func New(cfg Config, client Doer, now func() time.Time) *Client { return &Client{cfg, client, now} }
