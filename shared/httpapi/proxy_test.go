package httpapi

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"newsletter/shared/config"
)

const (
	proxySecret = "0123456789abcdef0123456789abcdef"
	nextSecret  = "fedcba9876543210fedcba9876543210"
)

// newProxyAPI returns an API that responds with the client's address; /direct needs no proxy. An empty header is
// CloudFront's.
func newProxyAPI(t *testing.T, secrets, header string) *API {
	t.Helper()
	env := config.FromMap(map[string]string{"PROXY_SECRET": secrets, "SITE_PROXY_ADDRESS_HEADER": header})
	cfg := config.Read[Config](env)
	if err := env.Err(); err != nil {
		t.Fatal(err)
	}
	who := func(_ context.Context, r *Request) (*Response, error) {
		if r.Header.Get(originSecretHeader) != "" || r.Header.Get(string(cfg.ProxyAddressHeader)) != "" {
			return nil, errors.New("a handler sees the headers")
		}
		return Text(http.StatusOK, r.Client.String()), nil
	}
	return New(cfg, Route{Path: jsonPath, GET: who, POST: who}, Route{Path: "/direct", GET: who, AllowBypass: true})
}

func TestTrustedProxy(t *testing.T) {
	t.Parallel()
	const refused = http.StatusForbidden
	for name, c := range map[string]struct {
		secrets, path string
		headers       map[string]string
		status        int
		client        string
	}{
		"no proxy: the peer":                  {"", jsonPath, nil, 200, "198.51.100.23"},
		"no proxy: headers are not read":      {"", jsonPath, map[string]string{"cloudfront-viewer-address": "192.0.2.9:1", "x-origin-secret": proxySecret}, 200, "198.51.100.23"},
		"IPv4":                                {proxySecret, jsonPath, map[string]string{"cloudfront-viewer-address": "192.0.2.9:46532", "x-origin-secret": proxySecret}, 200, "192.0.2.9"},
		"IPv6 as CloudFront writes it":        {proxySecret, jsonPath, map[string]string{"cloudfront-viewer-address": "2001:db8::1:443", "x-origin-secret": proxySecret}, 200, "2001:db8::1"},
		"IPv6 in full":                        {proxySecret, jsonPath, map[string]string{"cloudfront-viewer-address": "2001:0db8:0000:0000:0000:0000:0000:0001:443", "x-origin-secret": proxySecret}, 200, "2001:db8::1"},
		"IPv6 in brackets":                    {proxySecret, jsonPath, map[string]string{"cloudfront-viewer-address": "[2001:db8::1]:443", "x-origin-secret": proxySecret}, 200, "2001:db8::1"},
		"mapped IPv4":                         {proxySecret, jsonPath, map[string]string{"cloudfront-viewer-address": "::ffff:192.0.2.9:443", "x-origin-secret": proxySecret}, 200, "192.0.2.9"},
		"while the secret is replaced: old":   {nextSecret + ", " + proxySecret, jsonPath, map[string]string{"cloudfront-viewer-address": "192.0.2.9:1", "x-origin-secret": proxySecret}, 200, "192.0.2.9"},
		"while the secret is replaced: new":   {nextSecret + ", " + proxySecret, jsonPath, map[string]string{"cloudfront-viewer-address": "192.0.2.9:1", "x-origin-secret": nextSecret}, 200, "192.0.2.9"},
		"directly":                            {proxySecret, jsonPath, nil, refused, ""},
		"directly, with a made-up address":    {proxySecret, jsonPath, map[string]string{"cloudfront-viewer-address": "192.0.2.9:1"}, refused, ""},
		"directly, X-Forwarded-For":           {proxySecret, jsonPath, map[string]string{"x-forwarded-for": "192.0.2.9", "via": "1.1 abc.cloudfront.net (CloudFront)"}, refused, ""},
		"another secret":                      {proxySecret, jsonPath, map[string]string{"cloudfront-viewer-address": "192.0.2.9:1", "x-origin-secret": nextSecret}, refused, ""},
		"a part of the secret":                {proxySecret, jsonPath, map[string]string{"cloudfront-viewer-address": "192.0.2.9:1", "x-origin-secret": proxySecret[:31]}, refused, ""},
		"both secrets as they are configured": {proxySecret + "," + nextSecret, jsonPath, map[string]string{"cloudfront-viewer-address": "192.0.2.9:1", "x-origin-secret": proxySecret + "," + nextSecret}, refused, ""},
		"an empty secret":                     {proxySecret, jsonPath, map[string]string{"cloudfront-viewer-address": "192.0.2.9:1", "x-origin-secret": ""}, refused, ""},
		"an unknown path, directly":           {proxySecret, "/nothing", nil, refused, ""},
		"an unknown path, through the proxy":  {proxySecret, "/nothing", map[string]string{"cloudfront-viewer-address": "192.0.2.9:1", "x-origin-secret": proxySecret}, 404, ""},
		"a direct route":                      {proxySecret, "/direct", map[string]string{"cloudfront-viewer-address": "192.0.2.9:1"}, 200, "198.51.100.23"},
		"a direct route through the proxy":    {proxySecret, "/direct", map[string]string{"cloudfront-viewer-address": "192.0.2.9:1", "x-origin-secret": proxySecret}, 200, "192.0.2.9"},
	} {
		event := newEvent("GET", c.path)
		event.RequestContext.HTTP.SourceIP = "198.51.100.23"
		for header, value := range c.headers {
			event.Headers[header] = value
		}
		got := newProxyAPI(t, c.secrets, "").Serve(t.Context(), event)
		if got.Response.StatusCode != c.status || c.client != "" && got.Response.Body != c.client || got.Err != nil {
			t.Errorf("%s: %d %s %v", name, got.Response.StatusCode, got.Response.Body, got.Err)
		}
		if c.status == refused && got.Outcome != "direct-access" {
			t.Errorf("%s: outcome %q", name, got.Outcome)
		}
		if strings.Contains(got.Response.Body, proxySecret) {
			t.Errorf("%s: the response contains the secret", name)
		}
	}
}

// TestDirectAccessIsRefusedForEveryMethod includes preflights and bodies that are too large.
func TestDirectAccessIsRefusedForEveryMethod(t *testing.T) {
	t.Parallel()
	api := newProxyAPI(t, proxySecret, "")
	for _, method := range []string{"GET", "HEAD", "POST", "OPTIONS", "PUT"} {
		event := newEvent(method, jsonPath)
		event.Body = strings.Repeat("x", maxBodyBytes+1)
		if got := api.Serve(t.Context(), event); got.Response.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d", method, got.Response.StatusCode)
		}
	}
}

// TestProxyHeaders checks what the other hosts send, and what a visitor adds to it.
func TestProxyHeaders(t *testing.T) {
	t.Parallel()
	for _, header := range []string{"CF-Connecting-IP", "x-vercel-forwarded-for", "X-Nf-Client-Connection-Ip", "X-Real-IP"} {
		api := newProxyAPI(t, proxySecret, header)
		for value, want := range map[string]string{
			"192.0.2.9":               "192.0.2.9",
			" 192.0.2.9 ":             "192.0.2.9",
			"192.0.2.9:46532":         "192.0.2.9",
			"2001:db8::1:443":         "2001:db8::1:443", // an address, unlike in CloudFront's header
			"[2001:db8::1]":           "2001:db8::1",
			"[2001:db8::1]:443":       "2001:db8::1",
			"::ffff:192.0.2.9":        "192.0.2.9",
			"203.0.113.1, 192.0.2.9":  "192.0.2.9", // the visitor sent the first one
			"rubbish,,, 192.0.2.9":    "192.0.2.9",
			"fe80::1%eth0, 192.0.2.9": "192.0.2.9",
		} {
			event := newEvent("GET", jsonPath)
			event.RequestContext.HTTP.SourceIP = "198.51.100.23"
			event.Headers["x-origin-secret"], event.Headers[strings.ToLower(header)] = proxySecret, value
			event.Headers["cloudfront-viewer-address"], event.Headers["x-forwarded-for"] = "203.0.113.7:1", "203.0.113.7"
			if got := api.Serve(t.Context(), event); got.Response.Body != want {
				t.Errorf("%s: %q: %d %s %v", header, value, got.Response.StatusCode, got.Response.Body, got.Err)
			}
		}
	}
}

func TestProxyAddressHeaderIsRefused(t *testing.T) {
	t.Parallel()
	for _, header := range []string{"X-Forwarded-For", "x-forwarded-for", "forwarded", "a b", "a:", "ä", "CF-Connecting-IP,X-Real-IP"} {
		env := config.FromMap(map[string]string{"SITE_PROXY_ADDRESS_HEADER": header})
		config.Read[Config](env)
		if err := env.Err(); err == nil || !strings.Contains(err.Error(), "SITE_PROXY_ADDRESS_HEADER") {
			t.Errorf("%q: %v", header, err)
		}
	}
}

// TestProxyWithoutAddress checks that visitors are never limited by the proxy's own addresses.
func TestProxyWithoutAddress(t *testing.T) {
	t.Parallel()
	api := newProxyAPI(t, proxySecret, "")
	for _, viewer := range []string{"", "192.0.2.9", "192.0.2.9:", ":443", "2001:db8::1", "[2001:db8::1]", "[192.0.2.9]:443",
		"192.0.2.9:443,", "192.0.2.9:-1", "192.0.2.9:443443", "name:443", "192.0.2.9:http"} {
		event := newEvent("GET", jsonPath)
		event.Headers["x-origin-secret"], event.Headers["cloudfront-viewer-address"] = proxySecret, viewer
		got := api.Serve(t.Context(), event)
		if got.Response.StatusCode != http.StatusInternalServerError || !errors.Is(got.Err, errNoAddress) {
			t.Errorf("%q: %d %s %v", viewer, got.Response.StatusCode, got.Response.Body, got.Err)
		}
	}
}

func TestShortOriginSecrets(t *testing.T) {
	t.Parallel()
	for _, secrets := range []string{"short", proxySecret + ",", proxySecret + ",short", " "} {
		env := config.FromMap(map[string]string{"PROXY_SECRET": secrets})
		config.Read[Config](env)
		if err := env.Err(); err == nil || !strings.Contains(err.Error(), "PROXY_SECRET") || strings.Contains(err.Error(), proxySecret) {
			t.Errorf("%q: %v", secrets, err)
		}
	}
}

func FuzzViewerAddress(f *testing.F) {
	for _, seed := range []string{"192.0.2.9:1", "[2001:db8::1]:443", "2001:db8::1:443", "fe80::1%eth0:1", "::1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		client, ok := viewerAddress(s)
		if ok != client.IsValid() || ok && (client.Is4In6() || client.Zone() != "") {
			t.Fatalf("%q: %v %v", s, client, ok)
		}
		if want, err := netip.ParseAddrPort(s); err == nil && (!ok || client != want.Addr().WithZone("").Unmap()) && !strings.Contains(s, "%") {
			t.Fatalf("%q: %v, want %v", s, client, want)
		}
	})
}
