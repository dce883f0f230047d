package outbound

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"newsletter/shared/config"
	"newsletter/shared/outbox"
)

// secret is the secret part of an address.
const secret = "T000-B000-secret"

// failure returns an error as a Failure without its cause, and checks that its text does not contain the address.
func failure(t *testing.T, err error) outbox.Failure {
	t.Helper()
	f, ok := errors.AsType[*outbox.Failure](err)
	if !ok {
		t.Fatalf("%v is no *outbox.Failure", err)
	}
	for e := error(f); e != nil; e = errors.Unwrap(e) {
		if strings.Contains(e.Error(), secret) || strings.Contains(e.Error(), "hook") {
			t.Errorf("the error contains %q", e)
		}
	}
	told := *f
	told.Err = nil
	return told
}

// serve starts a server and returns a client that may call it.
func serve(t *testing.T, handle http.HandlerFunc) (*Client, string) {
	t.Helper()
	t.Parallel()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	client := New(Config{AllowPrivate: []string{server.Listener.Addr().String()}}, nil)
	t.Cleanup(client.http.CloseIdleConnections)
	return client, server.URL + "/hook/" + secret
}

func TestSend(t *testing.T) {
	client, address := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Mark", "1")
		w.WriteHeader(http.StatusAccepted)
		_, _ = w.Write([]byte("taken"))
	})
	answer, err := client.Send(t.Context(), post(t, address))
	if err != nil || answer.Status != http.StatusAccepted || answer.Header.Get("X-Mark") != "1" || string(answer.Body) != "taken" {
		t.Errorf("%+v %v", answer, err)
	}
}

func TestStatuses(t *testing.T) {
	for status, want := range map[int]outbox.Failure{
		301: {Cause: "moved", Permanent: true, NeedsOwner: true}, 308: {Cause: "moved", Permanent: true, NeedsOwner: true},
		400: {Cause: "status_400", Permanent: true}, 401: {Cause: "status_401", NeedsOwner: true}, 403: {Cause: "status_403", NeedsOwner: true},
		404: {Cause: "status_404", Permanent: true}, 408: {Cause: "status_408"}, 410: {Cause: "status_410", Permanent: true},
		413: {Cause: "status_413", Permanent: true}, 425: {Cause: "status_425"},
		429: {Cause: "throttled", AffectsDestination: true, RetryAfter: 7 * time.Second},
		500: {Cause: "status_500"}, 502: {Cause: "status_502"}, 503: {Cause: "status_503", RetryAfter: 7 * time.Second}, 504: {Cause: "status_504"},
		999: {Cause: "status_999"},
	} {
		t.Run(want.Cause, func(t *testing.T) {
			client, address := serve(t, func(w http.ResponseWriter, _ *http.Request) {
				if want.RetryAfter > 0 {
					w.Header().Set("Retry-After", "7")
				}
				w.WriteHeader(status)
				_, _ = w.Write([]byte(`{"error":"jane@example.org"}`))
			})
			answer, err := client.Send(t.Context(), post(t, address))
			if got := failure(t, err); got != want || answer.Status != status || len(answer.Body) == 0 {
				t.Errorf("%+v, want %+v (%d)", got, want, answer.Status)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "0": 0, "1": time.Second, "3600": time.Hour, "-5": 0, "soon": 0, "1.5": 0, "99999999999999999999999": 0, "999999999": 24 * time.Hour,
		"Sun, 01 Mar 2026 12:01:30 GMT": 90 * time.Second, "Sun, 01 Mar 2026 11:00:00 GMT": 0, "Mon, 01 Mar 2027 12:00:00 GMT": 24 * time.Hour,
		"Sunday, 01-Mar-26 12:00:10 GMT": 10 * time.Second, // the obsolete form, which recipients must take
	} {
		if got := retryAfter(http.Header{"Retry-After": {text}}, now); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

// Redirects are not followed, neither to an allowed address nor to a private one.
func TestRedirectsAreNotFollowed(t *testing.T) {
	var reached atomic.Int32
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	t.Cleanup(inside.Close)
	for name, target := range map[string]string{"inside": inside.URL, "metadata": "http://169.254.169.254/latest/meta-data/"} {
		t.Run(name, func(t *testing.T) {
			client, address := serve(t, func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, target, http.StatusTemporaryRedirect)
			})
			client.config.AllowPrivate = append(client.config.AllowPrivate, inside.Listener.Addr().String())
			if _, err := client.Send(t.Context(), post(t, address)); failure(t, err).Cause != "moved" || reached.Load() != 0 {
				t.Errorf("%v, reached %d", err, reached.Load())
			}
		})
	}
}

func TestSlowResponsesTimeOut(t *testing.T) {
	for _, part := range []string{"header", "body"} {
		t.Run(part, func(t *testing.T) {
			client, address := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if part == "body" {
					_, _ = w.Write([]byte("o"))
					w.(http.Flusher).Flush()
				}
				select {
				case <-r.Context().Done():
				case <-time.After(time.Minute):
				}
			})
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			began := time.Now()
			if _, err := client.Send(ctx, post(t, address)); failure(t, err) != (outbox.Failure{Cause: "timeout"}) {
				t.Errorf("%+v", err)
			}
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
	if client := New(Config{}, nil); client.http.Timeout != callTimeout {
		t.Error("the client has no timeout")
	}
}

func TestLargeResponsesAreCut(t *testing.T) {
	large := bytes.Repeat([]byte("x"), 10<<20)
	var packed bytes.Buffer
	writer := gzip.NewWriter(&packed)
	_, _ = writer.Write(large)
	_ = writer.Close()
	for name, handle := range map[string]http.HandlerFunc{
		"plain": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(large) },
		"packed": func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(packed.Bytes())
		},
	} {
		t.Run(name, func(t *testing.T) {
			client, address := serve(t, handle)
			if answer, err := client.Send(t.Context(), post(t, address)); err != nil || len(answer.Body) != maxResponse {
				t.Errorf("%d bytes, %v", len(answer.Body), err)
			}
		})
	}
	t.Run("header", func(t *testing.T) {
		client, address := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Large", string(large[:1<<20])) })
		if _, err := client.Send(t.Context(), post(t, address)); failure(t, err).Cause != "unreachable" {
			t.Errorf("%v", err)
		}
	})
}

func TestCookiesAreNotKept(t *testing.T) {
	var sent atomic.Int32
	client, address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		sent.Add(int32(len(r.Cookies())))
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "1"})
	})
	for range 2 {
		if _, err := client.Send(t.Context(), post(t, address)); err != nil {
			t.Error(err)
		}
	}
	if sent.Load() != 0 {
		t.Error("a cookie was sent")
	}
}

func TestUnreachable(t *testing.T) {
	client, address := serve(t, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	if _, err := client.Send(t.Context(), post(t, address)); failure(t, err) != (outbox.Failure{Cause: "unreachable"}) {
		t.Errorf("%+v", err)
	}
}

func TestCertificatesAreChecked(t *testing.T) {
	t.Parallel()
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(server.Close)
	client := New(Config{AllowPrivate: []string{server.Listener.Addr().String()}}, nil)
	if _, err := client.Send(t.Context(), post(t, server.URL)); failure(t, err).Cause != "unreachable" {
		t.Errorf("an unknown certificate: %v", err)
	}
	known := x509.NewCertPool()
	known.AddCert(server.Certificate())
	client.http.Transport.(*http.Transport).TLSClientConfig.RootCAs = known
	if _, err := client.Send(t.Context(), post(t, server.URL)); err != nil {
		t.Errorf("a known certificate: %v", err)
	}
}

func TestAddresses(t *testing.T) {
	cfg := Config{AllowPrivate: []string{"127.0.0.1:8080"}}
	for address, want := range map[string]bool{
		"https://hooks.example.org/x?y=1": true, "https://hooks.example.org:443/": true, "https://hooks.example.org:8443/": true,
		"https://93.184.215.14/": true, "http://127.0.0.1:8080/slack": true, "https://127.0.0.1:8080/slack": true,

		"": false, "hooks.example.org/x": false, "https://": false, "http://hooks.example.org/": false, "ftp://hooks.example.org/": false,
		"https://user:password@hooks.example.org/": false, "https://hooks.example.org/#x": false, "https://hooks.example.org:80/": false,
		"https://127.0.0.1/": false, "https://[::1]/": false, "https://169.254.169.254/": false, "https://[::ffff:10.0.0.1]/": false,
		"http://127.0.0.1:8081/": false, "http://localhost:8080/": false, "https://hooks.example.org\n/": false, "file:///etc/passwd": false,
	} {
		if err := cfg.CheckURL(address); (err == nil) != want {
			t.Errorf("%q: %v", address, err)
		}
		parsed, err := url.Parse(address)
		if err != nil || want {
			continue
		}
		_, err = New(cfg, nil).Send(t.Context(), &http.Request{Method: http.MethodPost, URL: parsed, Header: http.Header{}})
		if failure(t, err) != insideFailure {
			t.Errorf("%q was called: %v", address, err)
		}
	}
}

func TestConfig(t *testing.T) {
	for value, want := range map[string]bool{
		"": true, "http://127.0.0.1:8080": true, "http://[::1]:9090": true,
		"*": false, "true": false, "http://127.0.0.1": false, "http://10.0.0.1:80": false, "http://localhost:80": false, "http://0.0.0.0:80": false,
		"http://127.0.0.0/8": false, "http://169.254.169.254:80": false, "127.0.0.1:8080": false, "https://127.0.0.1:8080": false,
		"http://127.0.0.1:8080/": false, "http://127.0.0.1:8080@evil.example:80": false, "http://me@127.0.0.1:80": false,
	} {
		env := config.FromMap(map[string]string{"FAKES_URL": value})
		cfg := config.Read[Config](env)
		if got := cfg.CheckURL(value + "/hook"); want && value != "" && got != nil {
			t.Errorf("%q is not allowed: %v", value, got)
		}
		if err := env.Err(); (err == nil) != want {
			t.Errorf("%q: %v", value, err)
		}
	}
}
