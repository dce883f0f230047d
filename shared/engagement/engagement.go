// Package engagement keeps what became of mails: it reads the events that Amazon SES publishes and records them under the
// delivery that they are about.
//
// Invariants: a person is found by the delivery, never by an address; no address, network address or link is kept; an event
// that comes twice is kept once.
//
// Failure policy: an event that cannot be read, or that is about a delivery that is not known, is an error or an outcome of
// its own; errors of the database are returned as they are, and the event may be recorded again.
package engagement

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Kind is what became of a mail.
type Kind string

// The kinds.
const (
	Delivery  Kind = "delivery"
	Bounce    Kind = "bounce"
	Complaint Kind = "complaint"
	Open      Kind = "open"
	Click     Kind = "click"
	Reject    Kind = "reject"
	Delay     Kind = "delay"
)

// Event is what became of one mail.
type Event struct {
	Kind       Kind
	At         time.Time
	DeliveryID uuid.UUID // the outbox row, which every mail carries as a tag
	// Detail is one word of the provider, such as "General" of a bounce.
	Detail string
	// Permanent says that a bounce is for good: the mailbox does not exist.
	Permanent bool
}

// ErrEvent says that a message is no event of SES about one of our mails.
var ErrEvent = errors.New("engagement: the message is no event of SES about a mail of ours")

// message is what SES publishes (SES developer guide, "Contents of event data"), as far as it is used. Feedback without a
// configuration set says "notificationType".
type message struct {
	EventType        string `json:"eventType"`
	NotificationType string `json:"notificationType"`
	Mail             struct {
		Timestamp time.Time           `json:"timestamp"`
		Tags      map[string][]string `json:"tags"`
	} `json:"mail"`
	Bounce struct {
		Type      string    `json:"bounceType"`
		SubType   string    `json:"bounceSubType"`
		Timestamp time.Time `json:"timestamp"`
	} `json:"bounce"`
	Complaint struct {
		Type      string    `json:"complaintFeedbackType"`
		Timestamp time.Time `json:"timestamp"`
	} `json:"complaint"`
	Delivery      moment `json:"delivery"`
	Open          moment `json:"open"`
	Click         moment `json:"click"`
	DeliveryDelay struct {
		Type      string    `json:"delayType"`
		Timestamp time.Time `json:"timestamp"`
	} `json:"deliveryDelay"`
	Reject struct {
		Reason string `json:"reason"`
	} `json:"reject"`
}

type moment struct {
	Timestamp time.Time `json:"timestamp"`
}

// Read reads the message of a notification of SES. The error is ErrEvent.
func Read(text string) (Event, error) {
	var m message
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return Event{}, ErrEvent
	}
	event := Event{At: m.Mail.Timestamp}
	if ids := m.Mail.Tags["delivery"]; len(ids) == 1 {
		event.DeliveryID, _ = uuid.Parse(ids[0])
	}
	kind := m.EventType
	if kind == "" {
		kind = m.NotificationType
	}
	switch kind {
	case "Delivery":
		event.Kind, event.At = Delivery, m.Delivery.Timestamp
	case "Bounce":
		event.Kind, event.At, event.Detail, event.Permanent = Bounce, m.Bounce.Timestamp, m.Bounce.SubType, m.Bounce.Type == "Permanent"
	case "Complaint":
		event.Kind, event.At, event.Detail, event.Permanent = Complaint, m.Complaint.Timestamp, m.Complaint.Type, true
	case "Open":
		event.Kind, event.At = Open, m.Open.Timestamp
	case "Click":
		event.Kind, event.At = Click, m.Click.Timestamp
	case "Reject":
		event.Kind, event.Detail = Reject, m.Reject.Reason
	case "DeliveryDelay":
		event.Kind, event.At, event.Detail = Delay, m.DeliveryDelay.Timestamp, m.DeliveryDelay.Type
	}
	if event.Kind == "" || event.DeliveryID == uuid.Nil || event.At.IsZero() {
		return Event{}, ErrEvent
	}
	event.Detail = word(event.Detail)
	return event, nil
}

// word keeps letters, digits and - of a provider's word, and nothing of a text with the signs of an address, so that none can
// come in with it.
func word(s string) string {
	if strings.ContainsAny(s, "@.%:") {
		return ""
	}
	s = strings.Map(func(r rune) rune {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' {
			return -1
		}
		return r
	}, s)
	return s[:min(len(s), 40)]
}

// database is what it needs of a connection pool.
type database interface {
	Batch(ctx context.Context, queue func(*pgx.Batch)) error
}

const (
	recordSQL = `
insert into engagement_events (id, at, kind, detail, permanent, subscriber_id, delivery_id)
select $1::text::uuid, $2::timestamptz, $3::text, $4::text, $5::boolean, subscriber_id, id from outbox where id = $6::text::uuid
on conflict (delivery_id, kind, at) do nothing`
	whoseSQL = `
select coalesce(subscriber_id::text, '') from outbox where id = $1::text::uuid`
)

// Record keeps an event and says whom it is about: uuid.Nil if the delivery is not known, or not any more.
func Record(ctx context.Context, db database, e Event) (subscriber uuid.UUID, err error) {
	id := uuid.Must(uuid.NewV7())
	err = db.Batch(ctx, func(b *pgx.Batch) {
		subscriber = uuid.Nil
		b.Queue(recordSQL, id.String(), e.At, string(e.Kind), e.Detail, e.Permanent, e.DeliveryID.String())
		b.Queue(whoseSQL, e.DeliveryID.String()).QueryRow(func(row pgx.Row) error {
			err := row.Scan(&subscriber)
			if errors.Is(err, pgx.ErrNoRows) {
				return nil
			}
			return err
		})
	})
	if err != nil {
		return uuid.Nil, fmt.Errorf("record what became of a mail: %w", err)
	}
	return subscriber, nil
}
