package email

import (
	"errors"
	"net/mail"
	"strings"
	"unicode"
)

// Config is the sender of emails.
type Config struct {
	// The sender of all emails: an address of a verified SES identity, with or without a name.
	From string `env:"MAIL_FROM,required" example:"The Jane Letter <news@example.org>"`
	// The SES configuration set that reports bounces and complaints. Empty: they are not reported, and health warns.
	ConfigurationSet string `env:"MAIL_CONFIGURATION_SET" from:"template" example:"newsletter"`
}

// Validate implements the check of config.Env.Read.
func (c Config) Validate() error {
	_, err := c.sender()
	return err
}

// sender returns From as a header value; a name outside ASCII is encoded.
func (c Config) sender() (string, error) {
	from, err := mail.ParseAddress(c.From)
	if err != nil || strings.ContainsFunc(c.From, unicode.IsControl) ||
		strings.ContainsFunc(from.Address, func(r rune) bool { return r > unicode.MaxASCII }) {
		return "", errors.New("MAIL_FROM: must be an address in ASCII, with or without a name")
	}
	return from.String(), nil
}

// RateConfig limits the rate of sent emails.
type RateConfig struct {
	// Send at most this many emails per minute; others wait. This limits how much an attack can harm the sender
	// domain's reputation. Emails to proven mailboxes do not wait, and links that a subscriber asked for neither wait nor
	// count. 0: no limit.
	PerMinute int `env:"MAIL_RATE_PER_MINUTE" envDefault:"300"`
	// Send at most this many emails per minute to one registrable domain; others wait. Emails to proven mailboxes, and
	// links that a subscriber asked for, do not wait. Large providers and the domains of LIMITS_EXEMPT_DOMAINS are exempt. 0: no limit.
	DomainPerMinute int `env:"MAIL_DOMAIN_RATE_PER_MINUTE" envDefault:"60"`
}

// Validate implements the check of config.Env.Read.
func (c RateConfig) Validate() error {
	var problems []error
	if c.PerMinute < 0 {
		problems = append(problems, errors.New("MAIL_RATE_PER_MINUTE: must be 0 or more"))
	}
	if c.DomainPerMinute < 0 {
		problems = append(problems, errors.New("MAIL_DOMAIN_RATE_PER_MINUTE: must be 0 or more"))
	}
	return errors.Join(problems...)
}

// BreakerConfig is the thresholds of the sending circuit breaker. Only bounces and complaints of mailboxes that were not
// proven count, and only email to unproven mailboxes is stopped.
type BreakerConfig struct {
	// Stop email to unproven mailboxes for an hour or longer when their hard bounces reach this percentage of a day's
	// emails. Amazon reviews accounts at 5 (SES developer guide, "Bounce rate").
	BouncePercent float64 `env:"MAIL_BOUNCE_PERCENT" envDefault:"5"`
	// Stop email to unproven mailboxes for an hour or longer when their complaints reach this percentage of a day's
	// emails. Amazon reviews accounts at 0.1 (SES developer guide, "Complaint rate").
	ComplaintPercent float64 `env:"MAIL_COMPLAINT_PERCENT" envDefault:"0.1"`
	// BouncesMin is the fewest bounces of a day that open the breaker: a percentage of few emails means little.
	BouncesMin int `envDefault:"10"`
	// ComplaintsMin is the fewest complaints of a day that open the breaker.
	ComplaintsMin int `envDefault:"5"`
}

// Validate implements the check of config.Env.Read.
func (c BreakerConfig) Validate() error {
	var problems []error
	if c.BouncePercent <= 0 {
		problems = append(problems, errors.New("MAIL_BOUNCE_PERCENT: must be more than 0"))
	}
	if c.ComplaintPercent <= 0 {
		problems = append(problems, errors.New("MAIL_COMPLAINT_PERCENT: must be more than 0"))
	}
	return errors.Join(problems...)
}
