package privacy

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Service is a recipient of personal data outside the installation. Its value is stored in the table recipients and
// must not change.
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
	Sentry     Service = "sentry"
)

// notified is the purpose of the channels that notify the owner of changes.
const notified = "notifying the owner of sign-ups and unsubscribes: page, campaign, language and mailbox provider, without the address"

// services maps each service to its name, and to the purpose and the data, as a copy shows them.
var services = map[Service]Recipient{
	SES:        {"Amazon Simple Email Service", "delivery of our emails: the address and the email"},
	LoopsEmail: {"Loops (transactional emails)", "delivery of our emails: the address and the email"},
	Loops:      {"Loops (audience)", "keeping the list of subscribers: the address, an internal identifier, the unsubscribe link, the page of the sign-up, and the fields for this destination"},
	GA4:        {"Google Analytics", "counting sign-ups by campaign: one event for each, without data that identifies the subscriber"},
	Slack:      {"Slack", notified},
	Discord:    {"Discord", notified},
	Webhook:    {"Further services of the owner (webhooks)", "notice of sign-ups and unsubscribes: an internal identifier (pseudonymous) and the fields for this destination, without the address"},
	Vector:     {"Upstash Vector", "detecting bursts of similar sign-ups: vectors of keyed hashes (pseudonymous), for at most two days"},
	Sentry:     {"Sentry", "error reports: what failed, without addresses and without submitted content"},
}

// Services returns all services.
func Services() []Service {
	return []Service{SES, LoopsEmail, Loops, GA4, Slack, Discord, Webhook, Vector, Sentry}
}

// Use is a service that receives personal data, or received it earlier.
type Use struct {
	Service Service
	Until   *time.Time // when it was removed from the configuration; nil while it is configured
}

// database runs a batch in one round trip and one transaction.
type database interface {
	Batch(ctx context.Context, queue func(*pgx.Batch)) error
}

const recordSQL = `
with former as (update recipients set until = $2::timestamptz where until is null and name <> all($1::text[]))
insert into recipients (name, since) select unnest($1::text[]), $2::timestamptz
on conflict (name) do update set until = null where recipients.until is not null`

// Record stores the configured services as recipients from now on and ends the others. The error is the database's.
func Record(ctx context.Context, db database, configured []Service, now time.Time) error {
	names := make([]string, len(configured))
	for i, service := range configured {
		names[i] = string(service)
	}
	if err := db.Batch(ctx, func(b *pgx.Batch) { b.Queue(recordSQL, names, now) }); err != nil {
		return fmt.Errorf("record recipients of personal data: %w", err)
	}
	return nil
}

const usesSQL = `
select name, until from recipients`

// Uses returns all recorded services, present and former. The error is the database's.
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
		return nil, fmt.Errorf("list recipients of personal data: %w", err)
	}
	return all, nil
}

// Recipient is a recipient of personal data, with the purpose.
type Recipient struct {
	Name    string `json:"name"`
	Purpose string `json:"purpose"`
}

// recipients returns AWS, the services that are or were in use, and the recipients that the owner adds.
func (c Config) recipients(uses []Use) []Recipient {
	all := []Recipient{{"Amazon Web Services", "operation of the sign-up: all data"}}
	if len(uses) == 0 {
		all = append(all, Recipient{"Further services", "not recorded yet; request another copy in a few minutes"})
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

// added returns the recipients of PRIVACY_RECIPIENTS.
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
