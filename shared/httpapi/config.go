package httpapi

import (
	"errors"
	"net/url"
	"strings"

	"newsletter/shared/config"
)

// Config configures the HTTP functions.
type Config struct {
	// The web origins whose scripts may call the API, exactly as browsers send them. Empty: none; forms and servers
	// need no entry.
	AllowedOrigins Origins `env:"SITE_ALLOWED_ORIGINS" example:"https://www.example.org"`
	// The secret that a trusted proxy (CloudFront, Cloudflare, Vercel, Netlify) sends in X-Origin-Secret, at least 32
	// characters; separate several with commas during a rotation. If set, only requests through the proxy are served,
	// and the proxy names the visitor's network. Empty: no proxy.
	ProxySecret config.Sealed `env:"PROXY_SECRET"`
	// The header in which that proxy sends the visitor's network address, such as CF-Connecting-IP, as docs/proxies.md
	// lists them. It is read only together with the secret.
	ProxyAddressHeader AddressHeader `env:"SITE_PROXY_ADDRESS_HEADER" envDefault:"CloudFront-Viewer-Address"`
}

// Validate implements the check of config.Env.Read.
func (c Config) Validate() error { return validateSecrets(c.ProxySecret) }

// Origins is a list of web origins: scheme, host and a port that is not the scheme's default.
type Origins []string

var errOrigin = errors.New(`each must be a scheme and a host in lower case without the default port`)

// UnmarshalText parses origins separated by commas.
func (o *Origins) UnmarshalText(text []byte) error {
	*o = nil
	for item := range strings.SplitSeq(string(text), ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		if !isOrigin(item) {
			return errOrigin
		}
		*o = append(*o, item)
	}
	return nil
}

// isOrigin reports whether s is an origin as browsers send it. Any other form would never equal the header.
func isOrigin(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || s != u.Scheme+"://"+u.Host || s != strings.ToLower(s) || strings.ContainsAny(s, "*%") {
		return false
	}
	for _, r := range s {
		if r > '~' { // browsers send the punycode form
			return false
		}
	}
	return u.Scheme == "https" && u.Port() != "443" && !strings.HasSuffix(s, ":") ||
		u.Scheme == "http" && u.Port() != "80" && !strings.HasSuffix(s, ":")
}
