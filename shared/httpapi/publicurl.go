package httpapi

import (
	"errors"
	"net/url"
	"regexp"
	"strings"

	"newsletter/shared/config"
)

// PublicURL is the URL at which visitors reach the API: an origin, optionally followed by a base path.
type PublicURL string

// LinkConfig configures the links in emails.
type LinkConfig struct {
	// The URL at which visitors reach the API, such as "https://api.example.org", or "https://example.org/news" if a
	// mapping or proxy serves it below a base path. Links in emails begin with it. https, except on a loopback host.
	PublicURL PublicURL `env:"SITE_PUBLIC_URL,required" example:"https://api.example.org"`
}

var (
	errPublicURL = errors.New("must be a scheme and a host in lower case, and at most a base path")
	errRoute     = errors.New(`must end before "/api", with which our own paths begin`)
	errPlain     = errors.New("must be https, because the links in emails carry tokens")
	// basePath allows the characters of an API mapping's key (API Gateway, CreateApiMapping) without those that email
	// programs may take for the end of a link: quotes, commas and parentheses.
	basePath = regexp.MustCompile(`^(/[A-Za-z0-9$_+!*-][A-Za-z0-9$_+!*.-]*)*$`)
)

// UnmarshalText implements encoding.TextUnmarshaler. Slashes at the end are dropped.
func (p *PublicURL) UnmarshalText(text []byte) error {
	s := strings.TrimRight(string(text), "/")
	u, err := url.Parse(s)
	if err != nil || !isOrigin(strings.TrimSuffix(s, u.Path)) || !basePath.MatchString(u.Path) {
		return errPublicURL
	}
	if strings.HasPrefix(u.Path+"/", "/api/") {
		return errRoute
	}
	if u.Scheme == "http" && !config.IsLoopback(u.Hostname()) {
		return errPlain
	}
	*p = PublicURL(s)
	return nil
}
