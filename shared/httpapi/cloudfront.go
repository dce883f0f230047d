package httpapi

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/netip"
	"strings"

	"newsletter/shared/config"
)

// The headers that CloudFront adds to a request: the distribution's secret, and the viewer's IP address and port.
const (
	originSecretHeader  = "X-Origin-Secret"
	viewerAddressHeader = "CloudFront-Viewer-Address"
)

// minOriginSecret is the minimum length of an origin secret in bytes: 128 bits in hexadecimal.
const minOriginSecret = 32

// A trustedProxy checks that requests came through CloudFront. The zero value accepts every request.
type trustedProxy struct{ secrets [][sha256.Size]byte }

// newTrustedProxy parses secrets separated by commas. Each of them is accepted, so that a secret can be rotated without
// downtime.
func newTrustedProxy(secrets config.Sealed) trustedProxy {
	var p trustedProxy
	for secret := range strings.SplitSeq(secrets.Reveal(), ",") {
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
			return errors.New("CLOUDFRONT_SECRET: each secret must have at least 32 characters; openssl rand -hex 32 makes one")
		}
	}
	return nil
}

// errNoViewer is a misconfiguration of the distribution. A visitor cannot cause it, because CloudFront sets the header.
var errNoViewer = errors.New("CloudFront does not pass on CloudFront-Viewer-Address: name it in the origin request policy")

// admit sets the client's address from CloudFront's header, or returns an error if the request did not come through
// CloudFront and direct is false. It removes both headers, so that no handler, log or report contains them.
func (p trustedProxy) admit(r *Request, direct bool) error {
	secret, viewer := r.Header.Values(originSecretHeader), r.Header.Get(viewerAddressHeader)
	r.Header.Del(originSecretHeader)
	r.Header.Del(viewerAddressHeader)
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
	client, ok := viewerAddress(viewer)
	if !ok {
		return errNoViewer
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
