package visitor

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"newsletter/shared/admission"
	"newsletter/shared/catalog"
	"newsletter/shared/config"
	"newsletter/shared/httpapi"
	"newsletter/shared/postgres"
	"newsletter/shared/pseudonym"
	"newsletter/shared/ratelimit"
	"newsletter/shared/subscription"
	"newsletter/shared/token"
)

var client = admission.Request{Client: netip.MustParseAddr("192.0.2.1")}

// newService returns a Service without servers, whose Admission admits one request.
func newService(t *testing.T) *Service {
	t.Helper()
	pepper := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("12345678", 4)))
	env := config.FromMap(map[string]string{
		"LIMITS_SUBSCRIBE": "2/10m@host", "PEPPER": pepper, // half of the limit without Redis
		"SITE_NAME": "The Jane Letter", "SITE_POSTAL_ADDRESS": "1 Main St",
	})
	limits, keyConfig, translations := config.Read[admission.SubscribeLimits](env), config.Read[pseudonym.Config](env), catalog.Read(env)
	key, keyErr := pseudonym.NewKey(keyConfig)
	if err := errors.Join(env.Err(), keyErr); err != nil {
		t.Fatal(err)
	}
	limiter := ratelimit.New(nil, key, time.Now)
	return &Service{Admission: admission.New(limiter, admission.Subscribe, limits.Policies, time.Now), Translations: translations}
}

// serve returns a handler with a fixed result.
func serve(response *httpapi.Response, err error) func(admission.Decision) (*httpapi.Response, error) {
	return func(admission.Decision) (*httpapi.Response, error) { return response, err }
}

func TestOnlyOurFailuresAreRefunded(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		err     error
		refunds bool
	}{
		"success":              {nil, false},
		"busy address":         {fmt.Errorf("request: %w", postgres.ErrBusy), false},
		"unknown subscriber":   {subscription.ErrUnknown, false},
		"invalid request":      {httpapi.Invalid(), false},
		"database unavailable": {postgres.ErrUnavailable, true},
		"unavailable":          {httpapi.Unavailable(time.Second, nil), true},
		"bug":                  {errors.New("bug"), true},
	} {
		s := newService(t)
		response, err := s.Admit(t.Context(), client, serve(httpapi.Text(http.StatusOK, "done"), test.err))
		if !errors.Is(err, test.err) || (err == nil) != (response != nil) {
			t.Errorf("%s: %v %v", name, response, err)
		}
		if err == nil && response.Header.Get("RateLimit") == "" {
			t.Errorf("%s: headers %v", name, response.Header)
		}
		_, err = s.Admit(t.Context(), client, serve(httpapi.Text(http.StatusOK, "done"), nil))
		if problem, limited := errors.AsType[*httpapi.Problem](err); limited == test.refunds || limited && problem.Status != http.StatusTooManyRequests {
			t.Errorf("%s, next request: %v", name, err)
		}
	}
}

func TestPanicIsRefunded(t *testing.T) {
	t.Parallel()
	s := newService(t)
	func() {
		defer func() {
			if recover() == nil {
				t.Error("the panic does not reach the caller")
			}
		}()
		_, _ = s.Admit(t.Context(), client, func(admission.Decision) (*httpapi.Response, error) { panic("test") })
	}()
	if _, err := s.Admit(t.Context(), client, serve(httpapi.Text(http.StatusOK, "done"), nil)); err != nil {
		t.Error(err)
	}
}

// get returns a request of a browser, or of a program if accept is empty.
func get(accept, languages string) *httpapi.Request {
	return &httpapi.Request{Method: http.MethodGet, Header: http.Header{"Accept": {accept}, "Accept-Language": {languages}}}
}

func TestRespond(t *testing.T) {
	t.Parallel()
	s := newService(t)
	page := func(tr *catalog.Translation) Page { return Page{Text: tr.Pages.Declined} }
	for name, test := range map[string]struct {
		response *httpapi.Response
		want     string
	}{
		"JSON":              {s.Respond(get("", "de"), http.StatusOK, State{Status: "declined"}, page), `{"status":"declined"}`},
		"browser":           {s.Respond(get("text/html", "de"), http.StatusOK, State{}, page), `<html lang="de">`},
		"English":           {s.Respond(get("text/html", "tlh"), http.StatusOK, State{}, page), "Your request was canceled"},
		"fallback language": {s.RespondIn(Language(get("text/html", ""), "fr"), get("text/html", ""), http.StatusOK, State{}, page), `<html lang="fr">`},
		"browser first":     {s.RespondIn(Language(get("text/html", "de"), "fr"), get("text/html", "de"), http.StatusOK, State{}, page), `<html lang="de">`},
	} {
		if test.response.Status != http.StatusOK || !strings.Contains(string(test.response.Body), test.want) {
			t.Errorf("%s: %d %s", name, test.response.Status, test.response.Body)
		}
	}
}

func TestInvalidLink(t *testing.T) {
	t.Parallel()
	s := newService(t)
	page := func(tr *catalog.Translation) Page { return Page{Text: tr.Pages.Privacy} }
	for _, cause := range []error{token.ErrInvalid, subscription.ErrUnknown} {
		if _, err := s.InvalidLink(t.Context(), get("", ""), cause, page); err == nil || errors.Is(err, cause) {
			t.Errorf("JSON: %v", err)
		}
		response, err := s.InvalidLink(t.Context(), get("text/html", "en"), cause, page)
		if err != nil || response.Status != http.StatusNotFound || !strings.Contains(string(response.Body), "This link does not work") ||
			!strings.Contains(string(response.Body), "Enter your address.") {
			t.Errorf("page: %v %v", response, err)
		}
	}
	if _, err := s.InvalidLink(t.Context(), get("", ""), postgres.ErrUnavailable, page); !errors.Is(err, postgres.ErrUnavailable) {
		t.Errorf("another error: %v", err)
	}
}
