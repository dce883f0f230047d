package subscription

import (
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/net/publicsuffix"
)

// DomainLimit limits the emails to one domain.
type DomainLimit struct {
	// Send at most this many emails per hour to one registrable domain in response to the public form, so that the
	// form cannot flood a company. Large providers are exempt. Requests above the limit are recorded and answered
	// like all others, and their emails wait. 0: no limit.
	Limit int `env:"LIMITS_DOMAIN_EMAILS_PER_HOUR" envDefault:"50"`
	// Further registrable domains that are exempt from that limit; they cover their subdomains. Empty: none.
	Exempt Exemptions `env:"LIMITS_EXEMPT_DOMAINS" example:"example.org"`
}

// maxRemindAfter leaves two days of the time for which retention keeps the entry of the confirmation email, without
// which there is no reminder.
const maxRemindAfter = 28 * 24 * time.Hour

// ReminderConfig is when a reminder is sent.
type ReminderConfig struct {
	// Send one reminder for a request that has waited this long for its confirmation, such as 48h. Reminders are sent
	// once a day. 0s: no reminders.
	After time.Duration `env:"SIGNUP_REMIND_AFTER" envDefault:"0s"`
}

// Validate implements the check of config.Env.Read.
func (c ReminderConfig) Validate() error {
	if c.After != 0 && (c.After < time.Hour || c.After > maxRemindAfter) {
		return errors.New("SIGNUP_REMIND_AFTER: must be 0s, or between 1h and 672h, because a request expires after 35 days, and the log of its email after 30")
	}
	return nil
}

// Validate implements the check of config.Env.Read.
func (c DomainLimit) Validate() error {
	if c.Limit < 0 {
		return errors.New("LIMITS_DOMAIN_EMAILS_PER_HOUR: must be 0 or more")
	}
	return nil
}

// Exemptions are registrable domains as lower-case A-labels.
type Exemptions []string

var errExemption = errors.New(`each must be a registrable domain: no subdomain and no public suffix (example: example.org)`)

// UnmarshalText parses comma-separated domains.
func (e *Exemptions) UnmarshalText(text []byte) error {
	*e = nil
	for item := range strings.SplitSeq(string(text), ",") {
		item = strings.TrimSuffix(strings.TrimSpace(item), ".")
		if item == "" {
			continue
		}
		domain, err := parseDomain(item)
		if err != nil {
			return errExemption
		}
		if registrable, err := publicsuffix.EffectiveTLDPlusOne(domain); err != nil || registrable != domain {
			return errExemption
		}
		*e = append(*e, domain)
	}
	return nil
}

// countedDomain returns the domain that the limit counts an address by; empty for large providers and exempt domains.
func (c DomainLimit) countedDomain(a Address) string {
	domain := a.LimitedDomain()
	if slices.Contains(c.Exempt, domain) {
		return ""
	}
	return domain
}

// domainWindow is the period over which the emails to one domain are counted.
const domainWindow = time.Hour

// Counting stops at the limit. Without a domain, as for a large provider, nothing is counted.
const domainCountSQL = `
select count(*) from (
    select from email_log
    where domain_hmac = $1::bytea and purpose = any($2::text[]) and at > $3::timestamptz limit $4::integer) as emails`

// loadDomain counts the emails to a domain within domainWindow. Concurrent requests do not see each other, so their
// emails may be queued above the limit; CheckSend then defers them.
func (m *sentEmails) loadDomain(b *pgx.Batch, domainHMAC []byte, limit int) {
	counted := logged(func(r emailRow) bool { return r.anyAddress })
	b.Queue(domainCountSQL, domainHMAC, counted, m.Now.Add(-domainWindow), limit).QueryRow(func(row pgx.Row) error {
		var count int
		err := row.Scan(&count)
		m.DomainLimitReached = limit > 0 && count >= limit
		return err
	})
}
