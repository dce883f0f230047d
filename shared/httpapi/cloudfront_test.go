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

// newProxyAPI returns an API that responds with the client's address; /direct needs no CloudFront.
func newProxyAPI(t *testing.T, secrets string) *API {
	t.Helper()
	env := config.FromMap(map[string]string{"CLOUDFRONT_SECRET": secrets})
	cfg := config.Read[Config](env)
	if err := env.Err(); err != nil {
		t.Fatal(err)
	}
	who := func(_ context.Context, r *Request) (*Response, error) {
		if r.Header.Get(originSecretHeader) != "" || r.Header.Get(viewerAddressHeader) != "" {
			return nil, errors.New("a handler sees the headers")
		}
		return Text(http.StatusOK, r.Client.String()), nil
	}
	return New(cfg, Route{Path: jsonPath, GET: who, POST: who}, Route{Path: "/direct", GET: who, AllowBypass: true})
}

func TestCloudFront(t *testing.T) {
	t.Parallel()
	const refused = http.StatusForbidden
	for name, c := range map[string]struct {
		secrets, path string
		headers       map[string]string
		status        int
		client        string
	}{
		"not set up: the peer":                {"", jsonPath, nil, 200, "198.51.100.23"},
		"not set up: headers are not read":    {"", jsonPath, map[string]string{"cloudfront-viewer-address": "192.0.2.9:1", "x-origin-secret": proxySecret}, 200, "198.51.100.23"},
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
		"an unknown path, through CloudFront": {proxySecret, "/nothing", map[string]string{"cloudfront-viewer-address": "192.0.2.9:1", "x-origin-secret": proxySecret}, 404, ""},
		"a direct route":                      {proxySecret, "/direct", map[string]string{"cloudfront-viewer-address": "192.0.2.9:1"}, 200, "198.51.100.23"},
		"a direct route through CloudFront":   {proxySecret, "/direct", map[string]string{"cloudfront-viewer-address": "192.0.2.9:1", "x-origin-secret": proxySecret}, 200, "192.0.2.9"},
	} {
		event := newEvent("GET", c.path)
		event.RequestContext.HTTP.SourceIP = "198.51.100.23"
		for header, value := range c.headers {
			event.Headers[header] = value
		}
		got := newProxyAPI(t, c.secrets).Serve(t.Context(), event)
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
	api := newProxyAPI(t, proxySecret)
	for _, method := range []string{"GET", "HEAD", "POST", "OPTIONS", "PUT"} {
		event := newEvent(method, jsonPath)
		event.Body = strings.Repeat("x", maxBodyBytes+1)
		if got := api.Serve(t.Context(), event); got.Response.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %d", method, got.Response.StatusCode)
		}
	}
}

// TestDistributionWithoutViewerAddress checks that visitors are never limited by CloudFront's own addresses.
func TestDistributionWithoutViewerAddress(t *testing.T) {
	t.Parallel()
	api := newProxyAPI(t, proxySecret)
	for _, viewer := range []string{"", "192.0.2.9", "192.0.2.9:", ":443", "2001:db8::1", "[2001:db8::1]", "[192.0.2.9]:443",
		"192.0.2.9:443,192.0.2.10:443", "192.0.2.9:-1", "192.0.2.9:443443", "name:443", "192.0.2.9:http"} {
		event := newEvent("GET", jsonPath)
		event.Headers["x-origin-secret"], event.Headers["cloudfront-viewer-address"] = proxySecret, viewer
		got := api.Serve(t.Context(), event)
		if got.Response.StatusCode != http.StatusInternalServerError || !errors.Is(got.Err, errNoViewer) {
			t.Errorf("%q: %d %s %v", viewer, got.Response.StatusCode, got.Response.Body, got.Err)
		}
	}
}

func TestShortOriginSecrets(t *testing.T) {
	t.Parallel()
	for _, secrets := range []string{"short", proxySecret + ",", proxySecret + ",short", " "} {
		env := config.FromMap(map[string]string{"CLOUDFRONT_SECRET": secrets})
		config.Read[Config](env)
		if err := env.Err(); err == nil || !strings.Contains(err.Error(), "CLOUDFRONT_SECRET") || strings.Contains(err.Error(), proxySecret) {
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
