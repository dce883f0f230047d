package captcha

import (
	"errors"
	"net/url"
	"strings"

	"newsletter/shared/config"
)

// Config is which CAPTCHA the sign-up form shows.
type Config struct {
	// Provider is turnstile or hcaptcha; every sign-up must then carry its widget's answer. Defaults to none.
	Provider Provider `env:"CAPTCHA_PROVIDER"`
	// Secret is the provider's secret key for the site.
	Secret config.Sealed `env:"CAPTCHA_SECRET"`
	// Hostnames lists the hosts whose pages show the widget, separated by commas, e.g. "www.example.org". An answer from
	// another host does not count. Required with a provider.
	Hostnames Hostnames `env:"CAPTCHA_HOSTNAMES"`
	// Action is the action that the widget must have been shown for (Turnstile alone). Defaults to any.
	Action string `env:"CAPTCHA_ACTION"`
	// SendIP passes the visitor's network address to the provider. Defaults to false.
	SendIP bool `env:"CAPTCHA_SEND_IP" envDefault:"false"`
	// URL is where answers are verified, for a proxy. Defaults to the provider's. https, except on a loopback address.
	URL string `env:"CAPTCHA_URL"`
}

// ReadConfig reads Config.
func ReadConfig(e *config.Env) Config {
	var c Config
	e.Read(&c)
	return c
}

// Provider is a service that makes and judges challenges.
type Provider string

// The providers.
const (
	Turnstile Provider = "turnstile"
	HCaptcha  Provider = "hcaptcha"
)

// UnmarshalText reads a provider's name; empty is none.
func (p *Provider) UnmarshalText(text []byte) error {
	switch *p = Provider(text); *p {
	case "", Turnstile, HCaptcha:
		return nil
	}
	return errors.New("must be turnstile or hcaptcha, or empty")
}

// Hostnames are hosts in lower case, as providers report them.
type Hostnames []string

// UnmarshalText reads hosts separated by commas.
func (h *Hostnames) UnmarshalText(text []byte) error {
	*h = nil
	for item := range strings.SplitSeq(string(text), ",") {
		item = strings.ToLower(strings.TrimSpace(item))
		if item == "" {
			continue
		}
		if strings.ContainsAny(item, "/:*@ ") {
			return errors.New(`each must be a host such as "www.example.org", without scheme and port`)
		}
		*h = append(*h, item)
	}
	return nil
}

// Validate implements the check of config.Env.Read.
func (c Config) Validate() error {
	if c.Provider == "" {
		return nil
	}
	var wrong []error
	if c.Secret.IsZero() {
		wrong = append(wrong, errors.New("CAPTCHA_SECRET: required with CAPTCHA_PROVIDER"))
	}
	if len(c.Hostnames) == 0 {
		wrong = append(wrong, errors.New("CAPTCHA_HOSTNAMES: required with CAPTCHA_PROVIDER, such as www.example.org, because answers of other sites do not count"))
	}
	if c.Action != "" && c.Provider != Turnstile {
		wrong = append(wrong, errors.New("CAPTCHA_ACTION: must be empty with this CAPTCHA_PROVIDER; only turnstile has actions"))
	}
	if c.URL != "" && !safe(c.URL) {
		wrong = append(wrong, errors.New("CAPTCHA_URL: must be an https URL, because it is sent the secret"))
	}
	return errors.Join(wrong...)
}

func safe(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.User != nil {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && config.IsLoopback(u.Hostname())
}

// endpoint is where answers are verified.
func (c Config) endpoint() string {
	switch {
	case c.URL != "":
		return c.URL
	case c.Provider == HCaptcha:
		return "https://api.hcaptcha.com/siteverify"
	}
	return "https://challenges.cloudflare.com/turnstile/v0/siteverify"
}
