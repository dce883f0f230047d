package httpapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	"golang.org/x/net/http/httpguts"

	"newsletter/shared/config"
)

// originSecretHeader is the header in which a trusted proxy sends the secret.
const originSecretHeader = "X-Origin-Secret"

// minOriginSecret is the minimum length of an origin secret in bytes: 128 bits in hexadecimal.
const minOriginSecret = 32

// An AddressHeader is the canonical name of the header in which a trusted proxy sends the visitor's network address.
type AddressHeader string

// viewerAddressHeader has the port after the address, and IPv6 addresses without brackets (CloudFront developer guide, "Add
// CloudFront request headers").
const viewerAddressHeader AddressHeader = "Cloudfront-Viewer-Address"

// UnmarshalText parses a header's name. It refuses the headers to which API Gateway appends the peer's address, because
// behind a proxy that is the proxy.
func (h *AddressHeader) UnmarshalText(text []byte) error {
	name := http.CanonicalHeaderKey(string(text))
	switch {
	case !httpguts.ValidHeaderFieldName(name):
		return errors.New("must be a header's name")
	case name == "X-Forwarded-For", name == "Forwarded":
		return fmt.Errorf("API Gateway appends the proxy's address to %s; name a header that only the proxy sets", name)
	}
	*h = AddressHeader(name)
	return nil
}

// A trustedProxy checks that requests came through the site's proxy. The zero value accepts every request.
type trustedProxy struct {
	secrets [][sha256.Size]byte
	header  AddressHeader
}

// newTrustedProxy parses secrets separated by commas. Each of them is accepted, so that a secret can be rotated without
// downtime.
func newTrustedProxy(cfg Config) trustedProxy {
	p := trustedProxy{header: cfg.ProxyAddressHeader}
	for secret := range strings.SplitSeq(cfg.ProxySecret.Reveal(), ",") {
		if secret = strings.TrimSpace(secret); secret != "" {
			p.secrets = append(p.secrets, sha256.Sum256([]byte(secret)))
		}
	}
	return p
}

// validateSecrets returns an error if a secret is too short.
func validateSecrets(secrets config.Sealed) error {
	if secrets.IsZero() {
		return nil
	}
	for secret := range strings.SplitSeq(secrets.Reveal(), ",") {
		if len(strings.TrimSpace(secret)) < minOriginSecret {
			return errors.New("PROXY_SECRET: each secret must have at least 32 characters; openssl rand -hex 32 makes one")
		}
	}
	return nil
}

// errNoAddress is a misconfiguration of the proxy. A visitor cannot cause it, because the proxy sets the header.
var errNoAddress = errors.New("the trusted proxy does not send the visitor's address")

// admit sets the client's address from the proxy's header, or returns an error if the request did not come through the
// proxy and direct is false. It removes both headers, so that no handler, log or report contains them.
func (p trustedProxy) admit(r *Request, direct bool) error {
	secret, address := r.Header.Values(originSecretHeader), r.Header.Get(string(p.header))
	r.Header.Del(originSecretHeader)
	r.Header.Del(string(p.header))
	if len(p.secrets) == 0 {
		return nil
	}
	if !p.knows(secret) {
		if direct {
			return nil
		}
		return newProblem("direct-access", http.StatusForbidden, "Direct access is not allowed.",
			"Please use the site's public address.")
	}
	client, ok := p.visitor(address)
	if !ok {
		return fmt.Errorf("%w in %s (docs/proxies.md)", errNoAddress, p.header)
	}
	r.Client = client
	return nil
}

// knows reports whether the secret is valid, in constant time.
func (p trustedProxy) knows(sent []string) bool {
	if len(sent) != 1 {
		return false
	}
	sum, equal := sha256.Sum256([]byte(sent[0])), 0
	for i := range p.secrets {
		equal |= subtle.ConstantTimeCompare(sum[:], p.secrets[i][:])
	}
	return equal == 1
}

// visitor parses the value of the proxy's header. If it has several, only the last one is sure to be the proxy's: a visitor can
// send the header too, and API Gateway joins the values of repeated headers with commas.
func (p trustedProxy) visitor(value string) (netip.Addr, bool) {
	value = strings.TrimSpace(value[strings.LastIndexByte(value, ',')+1:])
	if p.header == viewerAddressHeader {
		return viewerAddress(value)
	}
	client := clientAddress(strings.TrimSuffix(strings.TrimPrefix(value, "["), "]"))
	if !client.IsValid() {
		return viewerAddress(value)
	}
	return client, true
}

// viewerAddress parses "192.0.2.1:443", "2001:db8::1:443" and "[2001:db8::1]:443". CloudFront writes IPv6 addresses
// without brackets, so the port follows the last colon.
func viewerAddress(s string) (netip.Addr, bool) {
	colon := strings.LastIndexByte(s, ':')
	if colon < 0 || !isPort(s[colon+1:]) {
		return netip.Addr{}, false
	}
	host := s[:colon]
	if inner, found := strings.CutPrefix(host, "["); found {
		if host, found = strings.CutSuffix(inner, "]"); !found || !strings.Contains(host, ":") {
			return netip.Addr{}, false
		}
	}
	client := clientAddress(host)
	return client, client.IsValid()
}

func isPort(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return len(s) > 0 && len(s) <= 5
}
