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

// front checks that requests came through CloudFront. The zero value accepts every request.
type front struct{ secrets [][sha256.Size]byte }

// newFront parses secrets separated by commas. Each of them is accepted, so that a secret can be rotated without
// downtime.
func newFront(secrets config.Sealed) front {
	var f front
	for secret := range strings.SplitSeq(secrets.Reveal(), ",") {
		if secret = strings.TrimSpace(secret); secret != "" {
			f.secrets = append(f.secrets, sha256.Sum256([]byte(secret)))
		}
	}
	return f
}

// validFront returns an error if a secret is too short.
func validFront(secrets config.Sealed) error {
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

// pass sets the client's address from CloudFront's header, or returns an error if the request did not come through
// CloudFront and direct is false. It removes both headers, so that no handler, log or report contains them.
func (f front) pass(r *Request, direct bool) error {
	secret, viewer := r.Header.Values(originSecretHeader), r.Header.Get(viewerAddressHeader)
	r.Header.Del(originSecretHeader)
	r.Header.Del(viewerAddressHeader)
	if len(f.secrets) == 0 {
		return nil
	}
	if !f.opens(secret) {
		if direct {
			return nil
		}
		return NewProblem("not-here", http.StatusForbidden, "This address is not open to visitors.",
			"Please use the address of the site.")
	}
	client, ok := viewerAddress(viewer)
	if !ok {
		return errNoViewer
	}
	r.Client = client
	return nil
}

// opens reports whether the secret is valid, in constant time.
func (f front) opens(sent []string) bool {
	if len(sent) != 1 {
		return false
	}
	sum, opens := sha256.Sum256([]byte(sent[0])), 0
	for i := range f.secrets {
		opens |= subtle.ConstantTimeCompare(sum[:], f.secrets[i][:])
	}
	return opens == 1
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
