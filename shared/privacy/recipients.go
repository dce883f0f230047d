package privacy

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Service is a recipient of personal data outside the installation. Its value is stored in the table recipients, so it must not
// change.
type Service string

// The services.
const (
	SES        Service = "ses"         // sends our emails
	LoopsEmail Service = "loops_email" // sends our emails in place of SES
	Loops      Service = "loops"
	GA4        Service = "ga4"
	Slack      Service = "slack"
	Discord    Service = "discord"
	Webhook    Service = "webhook"
	Vector     Service = "vector"
	Turnstile  Service = "turnstile"
	HCaptcha   Service = "hcaptcha"
	Sentry     Service = "sentry"
)

// services maps each service to its name, and to the purpose and the data, as a copy shows them.
var services = map[Service]Recipient{
	SES:        {"Amazon Simple Email Service", "delivery of our emails: the address and the email"},
	LoopsEmail: {"Loops (transactional emails)", "delivery of our emails: the address and the email"},
	Loops:      {"Loops (audience)", "keeping the list of subscribers: the address, a number of our own and the page of the sign-up"},
	GA4:        {"Google Analytics", "counting sign-ups by campaign: that there was one, and nothing that leads to the person"},
	Slack:      {"Slack", "telling the owner that somebody signed up or left: page, campaign, language and mailbox provider, without the address"},
	Discord:    {"Discord", "telling the owner that somebody signed up or left: page, campaign, language and mailbox provider, without the address"},
	Webhook:    {"Further services of the owner (webhooks)", "telling them that somebody signed up or left: a number of our own (pseudonymous), without the address"},
	Vector:     {"Upstash Vector", "finding bursts of sign-ups that look alike: vectors of keyed hashes (pseudonymous), for two days at most"},
	Turnstile:  {"Cloudflare (Turnstile)", "telling people from robots at the sign-up: the network address"},
	HCaptcha:   {"hCaptcha", "telling people from robots at the sign-up: the network address"},
	Sentry:     {"Sentry", "reports of errors: what failed, without addresses and without what was sent"},
}

// Services lists all services.
func Services() []Service {
	return []Service{SES, LoopsEmail, Loops, GA4, Slack, Discord, Webhook, Vector, Turnstile, HCaptcha, Sentry}
}

// Use is a service that gets data, or got them.
type Use struct {
	Service Service
	Until   *time.Time // when it was taken out of the configuration; nil while it is in it
}

// database is one round trip and one transaction.
type database interface {
	Batch(ctx context.Context, queue func(*pgx.Batch)) error
}

const recordSQL = `
with former as (update recipients set until = $2::timestamptz where until is null and name <> all($1::text[]))
insert into recipients (name, since) select unnest($1::text[]), $2::timestamptz
on conflict (name) do update set until = null where recipients.until is not null`

// Record writes down which services the configuration names at present, and ends the others. The error is the database's.
func Record(ctx context.Context, db database, present []Service, now time.Time) error {
	names := make([]string, len(present))
	for i, service := range present {
		names[i] = string(service)
	}
	if err := db.Batch(ctx, func(b *pgx.Batch) { b.Queue(recordSQL, names, now) }); err != nil {
		return fmt.Errorf("record who gets personal data: %w", err)
	}
	return nil
}

const usesSQL = `
select name, until from recipients`

// Uses reads what Record wrote. The error is the database's.
func Uses(ctx context.Context, db database) ([]Use, error) {
	var all []Use
	err := db.Batch(ctx, func(b *pgx.Batch) {
		b.Queue(usesSQL).Query(func(rows pgx.Rows) error {
			var err error
			all, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (u Use, err error) {
				return u, row.Scan((*string)(&u.Service), &u.Until)
			})
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("list who gets personal data: %w", err)
	}
	return all, nil
}

// Recipient is one who gets personal data, and what for.
type Recipient struct {
	Name    string `json:"name"`
	Purpose string `json:"purpose"`
}

// recipients are those of this installation: where it runs, the services that it uses or used, and those whom its owner adds.
func (c Config) recipients(uses []Use) []Recipient {
	all := []Recipient{{"Amazon Web Services", "operation of the sign-up: all data"}}
	if len(uses) == 0 {
		all = append(all, Recipient{"Further services", "which ones is not recorded yet; ask again in a few minutes"})
	}
	for _, service := range Services() {
		for _, use := range uses {
			if use.Service != service {
				continue
			}
			r := services[service]
			if use.Until != nil {
				r.Purpose += "; until " + use.Until.UTC().Format(time.DateOnly)
			}
			all = append(all, r)
		}
	}
	return append(all, c.added()...)
}

// added returns the recipients that the owner adds.
func (c Config) added() []Recipient {
	var all []Recipient
	for part := range strings.SplitSeq(c.Recipients, ";") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		name, purpose, _ := strings.Cut(part, ":")
		all = append(all, Recipient{strings.TrimSpace(name), strings.TrimSpace(purpose)})
	}
	return all
}
