package engagement

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/google/uuid"
)

// message is what SES publishes, as far as it is used: by a configuration set (SES developer guide, "Contents of event data
// that Amazon SES publishes to Amazon SNS"), or by an identity, which says "notificationType" and knows no tags ("Amazon SNS
// notification contents for Amazon SES").
type message struct {
	EventType        string `json:"eventType"`
	NotificationType string `json:"notificationType"`
	Mail             struct {
		Timestamp   moment              `json:"timestamp"`
		MessageID   string              `json:"messageId"`
		Destination []string            `json:"destination"`
		Tags        map[string][]string `json:"tags"`
		Headers     []struct{ Name, Value string }
	} `json:"mail"`
	Bounce struct {
		Type      string `json:"bounceType"`
		SubType   string `json:"bounceSubType"`
		Timestamp moment `json:"timestamp"`
	} `json:"bounce"`
	Complaint struct {
		Type      string `json:"complaintFeedbackType"`
		SubType   string `json:"complaintSubType"`
		Timestamp moment `json:"timestamp"`
	} `json:"complaint"`
	Delivery      occasion `json:"delivery"`
	Open          occasion `json:"open"`
	Click         occasion `json:"click"`
	DeliveryDelay struct {
		Type      string `json:"delayType"`
		Timestamp moment `json:"timestamp"`
	} `json:"deliveryDelay"`
	Reject struct {
		Reason string `json:"reason"`
	} `json:"reject"`
}

type occasion struct {
	Timestamp moment `json:"timestamp"`
}

// moment is a time as SES writes it. One that cannot be read is zero: it must not lose the event.
type moment struct{ time.Time }

// UnmarshalJSON implements json.Unmarshaler.
func (m *moment) UnmarshalJSON(text []byte) error {
	var s string
	_ = json.Unmarshal(text, &s)                                                 // s stays empty, which no layout matches
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05 -0700"} { // SES's examples have both
		if at, err := time.Parse(layout, s); err == nil {
			m.Time = at
		}
	}
	return nil
}

// or returns m, or other if m is zero.
func (m moment) or(other time.Time) time.Time {
	if m.IsZero() {
		return other
	}
	return m.Time
}

// quiet are the types of events that tell nothing of an email that left: those that nobody asked SES for, and the greeting
// of an identity's new topic.
var ignoredTypes = map[string]bool{
	"Send": true, "Subscription": true, "Rendering Failure": true, "AmazonSnsSubscriptionSucceeded": true,
}

// greeting is how SES tries a topic that a configuration set is to publish to.
const greeting = "Successfully validated SNS topic for Amazon SES event publishing."

// Read reads a message that SNS received from SES, with the id that SNS gave it. It reports false for what is known and no
// news of an email. What it cannot read is an Event of the kind Unreadable.
func Read(text, notificationID string, received time.Time) (Event, bool) {
	event := Event{Kind: Unreadable, At: received, MessageID: notificationID, Detail: "text"}
	var m message
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return event, strings.TrimSpace(text) != greeting
	}
	kind := m.EventType
	if kind == "" {
		kind = m.NotificationType
	}
	if ignoredTypes[kind] {
		return Event{}, false
	}
	if !event.take(kind, m, received) {
		event.Detail = word(kind)
		return event, true
	}
	event.DeliveryID = m.delivery()
	event.SentAt = m.Mail.Timestamp.Time
	if m.Mail.MessageID != "" {
		event.MessageID = m.Mail.MessageID
	}
	if len(m.Mail.Destination) == 1 {
		event.Recipient = m.Mail.Destination[0]
	}
	event.Detail = word(event.Detail)
	return event, true
}

// take takes over what the message says of its kind, and reports false for a kind that is not known.
func (e *Event) take(kind string, m message, received time.Time) bool {
	sent := m.Mail.Timestamp.or(received)
	switch kind {
	case "Delivery":
		e.Kind, e.At, e.Detail = Delivery, m.Delivery.Timestamp.or(sent), ""
	case "Bounce":
		e.Kind, e.At, e.Detail = Bounce, m.Bounce.Timestamp.or(received), m.Bounce.SubType
		e.Permanent, e.Suppress = m.Bounce.Type == permanent, judgeBounce(m.Bounce.Type, m.Bounce.SubType).suppress
	case "Complaint":
		e.Kind, e.At, e.Detail = Complaint, m.Complaint.Timestamp.or(received), m.Complaint.SubType
		if e.Detail == "" {
			e.Detail = strings.ToLower(m.Complaint.Type)
		}
		e.Suppress = judgeComplaint(e.Detail).suppress
		e.Permanent = e.Suppress
	case "Open":
		e.Kind, e.At, e.Detail = Open, m.Open.Timestamp.or(received), ""
	case "Click":
		e.Kind, e.At, e.Detail = Click, m.Click.Timestamp.or(received), ""
	case "Reject":
		e.Kind, e.At, e.Detail = Reject, sent, m.Reject.Reason
	case "DeliveryDelay":
		e.Kind, e.At, e.Detail = Delay, m.DeliveryDelay.Timestamp.or(received), m.DeliveryDelay.Type
	default:
		return false
	}
	return true
}

// delivery returns the outbox row that the email names: in a tag, which only a configuration set publishes, or in a header, which
// an identity publishes if it is set up to.
func (m message) delivery() uuid.UUID {
	if ids := m.Mail.Tags["delivery"]; len(ids) == 1 {
		if id, err := uuid.Parse(ids[0]); err == nil {
			return id
		}
	}
	for _, h := range m.Mail.Headers {
		if strings.EqualFold(h.Name, "X-Entity-Ref-ID") {
			id, _ := uuid.Parse(h.Value) // Nil if it is not ours
			return id
		}
	}
	return uuid.Nil
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
