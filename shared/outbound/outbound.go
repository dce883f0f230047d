// Package outbound is the HTTP client for addresses that an owner has configured: webhooks, chats and services.
//
// Invariants: it calls only public addresses over HTTPS. The address is checked when the connection is made, so neither
// DNS rebinding nor a redirect reaches a private one. Redirects, proxies and cookies are not used. A response is read
// up to 64 KiB. A call takes at most ten seconds.
//
// Failure policy: a call is made once. Errors are *outbox.Failure and contain neither the address, which may be a
// secret, nor the body.
package outbound

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"newsletter/shared/outbox"
	"newsletter/shared/telemetry"
)

const (
	connectTimeout = 3 * time.Second
	callTimeout    = 10 * time.Second // below the lease of a delivery
	maxResponse    = 64 << 10
	maxRetryAfter  = 24 * time.Hour
)

// Config is set only by the local stack and tests.
type Config struct {
	// Call the fakes of all external services at this URL: http, a loopback address and a port. Loops, GA4, the
	// CAPTCHA and AWS are then called there, and this address may be called although it is not public.
	FakesURL string `env:"FAKES_URL" from:"local" example:"http://[::1]:4000"`
	// AllowPrivate lists further loopback addresses, host:port, that may be called in tests.
	AllowPrivate []string
}

// Validate implements the check of config.Env.Read.
func (c Config) Validate() error {
	if c.FakesURL == "" {
		return nil
	}
	host, isHTTP := strings.CutPrefix(c.FakesURL, "http://")
	if target, err := netip.ParseAddrPort(host); !isHTTP || err != nil || !target.Addr().IsLoopback() {
		return errors.New("FAKES_URL: must be http:// with a loopback address and a port")
	}
	return nil
}

// Service returns the base URL of a service: real, or that of its fake with that name.
func (c Config) Service(name, real string) string {
	if c.FakesURL == "" {
		return real
	}
	return c.FakesURL + "/" + name
}

// CheckURL returns nil if a URL may be called, or an error that does not contain it.
func (c Config) CheckURL(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.Fragment != "":
		return errors.New("must be a web address without a user or a fragment, such as https://chat.example.org/news")
	case u.Scheme == "https":
	case u.Scheme != "http" || !c.allowsHost(u.Host):
		return errors.New("must begin with https://")
	}
	if port := u.Port(); port != "" && port != "443" && port != "8443" && !c.allowsHost(u.Host) {
		return errors.New("must be on port 443 or 8443")
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil && !public(a) && !c.allowsHost(u.Host) {
		return errors.New("must not be a private address")
	}
	return nil
}

func (c Config) allowsHost(host string) bool {
	target, err := netip.ParseAddrPort(host)
	return err == nil && c.allows(target)
}

// Client calls services. It is safe for concurrent use.
type Client struct {
	config Config
	http   *http.Client
}

// New returns a Client. A nil resolver selects the system's.
func New(cfg Config, resolver *net.Resolver) *Client {
	dialer := &net.Dialer{Timeout: connectTimeout, Resolver: resolver, Control: cfg.control}
	return &Client{cfg, &http.Client{
		Timeout:       callTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:            dialer.DialContext,
			TLSHandshakeTimeout:    connectTimeout,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
			MaxIdleConnsPerHost:    4,
			MaxResponseHeaderBytes: maxResponse,
			IdleConnTimeout:        30 * time.Second,
			ForceAttemptHTTP2:      true,
		},
	}}
}

// Response is a service's response.
type Response struct {
	Status int
	Header http.Header
	Body   []byte // the first 64 KiB
}

// Do makes a call and returns the response, whatever its status. It is http.Client's Do behind the guard, for adapters
// that read responses themselves. The error is a *outbox.Failure.
func (c *Client) Do(r *http.Request) (*http.Response, error) {
	if err := c.config.CheckURL(r.URL.String()); err != nil {
		telemetry.SecurityEvent(r.Context(), blocked)
		return nil, &outbox.Failure{Cause: blocked, Permanent: true, NeedsOwner: true, Err: err}
	}
	response, err := c.http.Do(r)
	if err != nil {
		failure := callFailure(err)
		if failure.Cause == blocked {
			telemetry.SecurityEvent(r.Context(), blocked)
		}
		return nil, failure
	}
	response.Body = limitedBody{io.LimitReader(response.Body, maxResponse), response.Body}
	return response, nil
}

type limitedBody struct {
	io.Reader
	io.Closer
}

// Send makes a call and reads the response. For a status other than 200 to 299 it also returns the
// *outbox.Failure of that status.
func (c *Client) Send(ctx context.Context, r *http.Request) (Response, error) {
	response, err := c.Do(r.WithContext(ctx))
	if err != nil {
		return Response{}, err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	result := Response{response.StatusCode, response.Header, body}
	if failure := refused(response.StatusCode, response.Header); failure != nil {
		return result, failure
	}
	if err != nil { // accepted, but the rest of the response is lost
		return result, callFailure(err)
	}
	return result, nil
}

// blocked is the cause for a private address, which is also a security event.
const blocked = "private_address_blocked"

// callFailure returns the failure of a call without a response.
func callFailure(err error) *outbox.Failure {
	if wrapped, ok := errors.AsType[*url.Error](err); ok { // omit the URL, which may be a secret
		err = wrapped.Err
	}
	if errors.Is(err, errBlocked) {
		return &outbox.Failure{Cause: blocked, Permanent: true, NeedsOwner: true, Err: err}
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return &outbox.Failure{Cause: "timeout", Err: err}
	}
	return &outbox.Failure{Cause: "unreachable", Err: err}
}

// refused returns the failure of a status (RFC 9110 §15, RFC 6585 §4), or nil for success. Client errors and redirects
// are permanent; other failures may be temporary.
func refused(status int, header http.Header) *outbox.Failure {
	if status >= 200 && status < 300 {
		return nil
	}
	f := &outbox.Failure{Cause: "status_" + strconv.Itoa(status), RetryAfter: retryAfter(header, time.Now())}
	switch {
	case status == http.StatusTooManyRequests:
		f.Cause, f.AffectsDestination = "throttled", true
	case status >= 300 && status < 400: // the owner has to configure the new address
		f.Cause, f.Permanent, f.NeedsOwner = "moved", true, true
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		f.NeedsOwner = true
	case status == http.StatusRequestTimeout || status == http.StatusTooEarly || status >= 500:
	default:
		f.Permanent = true
	}
	return f
}

// retryAfter returns the pause of the Retry-After header, in seconds or as a date (RFC 9110 §10.2.3), up to a day; 0
// for none.
func retryAfter(header http.Header, now time.Time) time.Duration {
	text := header.Get("Retry-After")
	wait := time.Duration(0)
	if seconds, err := strconv.Atoi(text); err == nil {
		wait = time.Duration(min(max(seconds, 0), 86400)) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), maxRetryAfter)
}
