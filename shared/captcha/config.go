package captcha

import (
	"errors"
	"strings"

	"newsletter/shared/config"
)

// FormConfig configures the CAPTCHA of the sign-up form.
type FormConfig struct {
	// The CAPTCHA of the sign-up form: turnstile or hcaptcha. Every sign-up must then include the widget's response.
	// Empty: no CAPTCHA.
	Provider Provider `env:"CAPTCHA_PROVIDER" example:"turnstile"`
}

// Config configures the verification.
type Config struct {
	FormConfig
	// The provider's secret key for the site. Required with a provider.
	Secret config.Sealed `env:"CAPTCHA_SECRET"`
	// The hosts whose pages show the CAPTCHA. A response from another host is invalid. Required with a provider.
	Hostnames Hostnames `env:"CAPTCHA_HOSTNAMES" example:"www.example.org"`
	// URL is the verification endpoint. Empty: the provider's own.
	URL string
}

// Provider is a CAPTCHA service.
type Provider string

// The providers.
const (
	Turnstile Provider = "turnstile"
	HCaptcha  Provider = "hcaptcha"
)

// UnmarshalText parses a provider's name; empty is none.
func (p *Provider) UnmarshalText(text []byte) error {
	switch *p = Provider(text); *p {
	case "", Turnstile, HCaptcha:
		return nil
	}
	return errors.New("must be turnstile or hcaptcha, or empty")
}

// Hostnames are hosts in lower case, as providers report them.
type Hostnames []string

// UnmarshalText parses hosts separated by commas.
func (h *Hostnames) UnmarshalText(text []byte) error {
	*h = nil
	for item := range strings.SplitSeq(string(text), ",") {
		item = strings.ToLower(strings.TrimSpace(item))
		if item == "" {
			continue
		}
		if strings.ContainsAny(item, "/:*@ ") {
			return errors.New(`each must be a host without scheme and port`)
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
		wrong = append(wrong, errors.New("CAPTCHA_HOSTNAMES: required with CAPTCHA_PROVIDER, because responses from other sites are invalid"))
	}
	return errors.Join(wrong...)
}

// endpoint returns the verification URL.
func (c Config) endpoint() string {
	switch {
	case c.URL != "":
		return c.URL
	case c.Provider == HCaptcha:
		return "https://api.hcaptcha.com/siteverify"
	}
	return "https://challenges.cloudflare.com/turnstile/v0/siteverify"
}
