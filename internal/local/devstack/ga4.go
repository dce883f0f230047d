package devstack

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"newsletter/internal/fixtures/canary"
)

// The property and the secret that the fake of Google Analytics takes.
const (
	GA4ID     = "G-LOCAL00000"
	GA4Secret = "local-ga4-secret"
)

// GA4Event is an event that the fake of Google Analytics counted.
type GA4Event struct {
	Name     string
	At       time.Time
	ClientID string
	Params   map[string]any
}

// GA4 is a fake of Google Analytics 4 (Measurement Protocol). As the service does, it answers with success whatever it
// is sent; what the service would silently drop, and what could be personal data, is among its Problems. It is safe for
// concurrent use.
type GA4 struct {
	faults
	now    func() time.Time
	events []GA4Event
}

// NewGA4 returns a fake with the clock now.
func NewGA4(now func() time.Time) *GA4 { return &GA4{now: now} }

// Events returns all events, in the order of arrival.
func (g *GA4) Events() []GA4Event {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.events)
}

// ServeHTTP implements http.Handler.
func (g *GA4) ServeHTTP(w http.ResponseWriter, r *http.Request) { g.serve(canary.GA4, w, r, g.answer) }

func (g *GA4) answer(w http.ResponseWriter, r *http.Request) {
	if err := g.collect(r); err != nil {
		g.problem(err.Error())
	}
	w.WriteHeader(http.StatusNoContent)
}

// collected is a request's body, as far as it is used.
type collected struct {
	ClientID           string            `json:"client_id"`
	TimestampMicros    int64             `json:"timestamp_micros"`
	NonPersonalizedAds bool              `json:"non_personalized_ads"`
	Consent            map[string]string `json:"consent"`
	Events             []struct {
		Name   string         `json:"name"`
		Params map[string]any `json:"params"`
	} `json:"events"`
}

var (
	ga4Name   = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,39}$`)
	ga4Client = regexp.MustCompile(`^[0-9]{9,10}\.[0-9]{9,10}$`)
)

func (g *GA4) collect(r *http.Request) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	var c collected
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	query := r.URL.Query()
	switch err := decoder.Decode(&c); {
	case r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/mp/collect"):
		return fmt.Errorf("%s %s is not there", r.Method, r.URL.Path)
	case query.Get("measurement_id") != GA4ID || query.Get("api_secret") != GA4Secret || len(query) != 2:
		return errors.New("the property or its secret is wrong")
	case len(body) > 130_000:
		return errors.New("the body is too long")
	case err != nil:
		return fmt.Errorf("the body is not as it should be: %w", err)
	}
	return g.count(c)
}

// count keeps the events of a request.
func (g *GA4) count(c collected) error {
	at := time.UnixMicro(c.TimestampMicros)
	switch age := g.now().Sub(at); {
	case !ga4Client.MatchString(c.ClientID):
		return errors.New("the client id is not like one")
	case age > 72*time.Hour || age < -time.Hour:
		return errors.New("the time is more than 72 hours ago, or to come")
	case !c.NonPersonalizedAds || len(c.Consent) != 2 || c.Consent["ad_user_data"] != "DENIED" || c.Consent["ad_personalization"] != "DENIED":
		return errors.New("advertising is not denied")
	case len(c.Events) == 0 || len(c.Events) > 25:
		return fmt.Errorf("%d events", len(c.Events))
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, e := range c.Events {
		if err := checkGA4Event(e.Name, e.Params); err != nil {
			return err
		}
		if slices.ContainsFunc(g.events, func(other GA4Event) bool { return other.ClientID == c.ClientID }) {
			return errors.New("two events have one client id")
		}
		g.events = append(g.events, GA4Event{e.Name, at, c.ClientID, e.Params})
	}
	return nil
}

func checkGA4Event(event string, params map[string]any) error {
	for _, reserved := range []string{"ga_", "google_", "firebase_", "gtag."} {
		if strings.HasPrefix(event, reserved) {
			return fmt.Errorf("the name %q is reserved", event)
		}
	}
	switch {
	case !ga4Name.MatchString(event):
		return fmt.Errorf("the name %q is no name", event)
	case len(params) > 25:
		return fmt.Errorf("%d parameters", len(params))
	case params["session_id"] == nil || params["engagement_time_msec"] == nil:
		return errors.New("without session_id and engagement_time_msec the reports leave it out")
	}
	for name, value := range params {
		text := fmt.Sprint(value)
		if !ga4Name.MatchString(name) || utf8.RuneCountInString(text) > 100 || text == "" {
			return fmt.Errorf("the parameter %q is invalid", name)
		}
		if strings.ContainsAny(text, "@%") {
			return fmt.Errorf("the parameter %q may hold an address", name)
		}
	}
	return nil
}
