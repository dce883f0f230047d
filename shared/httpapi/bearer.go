package httpapi

import (
	"net/http"
	"strings"
)

// serverKeyPrefix begins every key of a server (see shared/apikey).
const serverKeyPrefix = "nlk_"

// ServerKey returns the server's key of an Authorization header with the scheme Bearer (RFC 6750), and whether there is one.
// Other credentials are not looked at: a browser or a page's library sends those of its own site with every request, and
// must not refuse a visitor by them. The header is no part of Header, so that no handler, log or report contains it by
// mistake.
func (r *Request) ServerKey() (key string, sent bool) {
	scheme, credential, _ := strings.Cut(r.authorization.Reveal(), " ")
	credential = strings.TrimSpace(credential)
	if !strings.EqualFold(scheme, "Bearer") || !strings.HasPrefix(credential, serverKeyPrefix) {
		return "", false
	}
	return credential, true
}

// Unauthorized returns the 401 for a missing key, and for one that is malformed, forged, unknown or revoked.
func Unauthorized() *Problem {
	p := newProblem("invalid-key", http.StatusUnauthorized, "The key is not valid.",
		"Send a server's key as Authorization: Bearer nlk_…; the owner creates it with newsletter key create.")
	p.Header = http.Header{"Www-Authenticate": {"Bearer"}}
	return p
}

// MissingScope returns the 403 for a key without a scope.
func MissingScope(scope string) *Problem {
	p := newProblem("missing-scope", http.StatusForbidden, "The key does not have the scope.", "This takes a key with the scope "+scope+".")
	p.Header = http.Header{"Www-Authenticate": {`Bearer error="insufficient_scope", scope="` + scope + `"`}}
	return p
}

// KeyInPage returns the 403 for a key that a page sends. Everybody who reads the page has its key.
func KeyInPage() *Problem {
	return newProblem("key-in-page", http.StatusForbidden, "A key is for servers.",
		"This request came from a page (Origin). Everybody who reads the page can read its key: revoke the key, and send none.")
}
