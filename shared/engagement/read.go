package engagement

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/google/uuid"
)

// message is the used part of what SES publishes: by a configuration set (SES developer guide, "Contents of event data
// that Amazon SES publishes to Amazon SNS"), or by an identity, with "notificationType" and without tags ("Amazon SNS
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

// moment is a time in SES's formats. An invalid one is zero, so that the event is not lost.
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

// ignoredTypes are the event types that are not about a sent email: those that the configuration set does not request,
// and the validation of an identity's topic.
var ignoredTypes = map[string]bool{
	"Send": true, "Subscription": true, "Rendering Failure": true, "AmazonSnsSubscriptionSucceeded": true,
}

// topicValidation is the message with which SES validates the topic of a configuration set.
const topicValidation = "Successfully validated SNS topic for Amazon SES event publishing."

// Read parses a message of SES with the ID of its SNS notification. It returns false for a known message that is not
// about a sent email, and an Event of the kind Unreadable for a message that it cannot parse.
func Read(text, notificationID string, received time.Time) (Event, bool) {
	event := Event{Kind: Unreadable, At: received, MessageID: notificationID, Detail: "text"}
	var m message
	if err := json.Unmarshal([]byte(text), &m); err != nil {
		return event, strings.TrimSpace(text) != topicValidation
	}
	kind := m.EventType
	if kind == "" {
		kind = m.NotificationType
	}
	if ignoredTypes[kind] {
		return Event{}, false
	}
	if !event.parse(kind, m, received) {
		event.Detail = sanitize(kind)
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
	event.Detail = sanitize(event.Detail)
	return event, true
}

// parse sets the fields that depend on the kind, and returns false for an unknown kind.
func (e *Event) parse(kind string, m message, received time.Time) bool {
	sent := m.Mail.Timestamp.or(received)
	switch kind {
	case "Delivery":
		e.Kind, e.At, e.Detail = Delivery, m.Delivery.Timestamp.or(sent), ""
	case "Bounce":
		e.Kind, e.At, e.Detail = Bounce, m.Bounce.Timestamp.or(received), m.Bounce.SubType
		e.Permanent, e.Suppress = m.Bounce.Type == permanent, bounceConsequence(m.Bounce.Type, m.Bounce.SubType).suppress
	case "Complaint":
		e.Kind, e.At, e.Detail = Complaint, m.Complaint.Timestamp.or(received), m.Complaint.SubType
		if e.Detail == "" {
			e.Detail = strings.ToLower(m.Complaint.Type)
		}
		e.Suppress = complaintConsequence(e.Detail).suppress
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

// delivery returns the ID of the outbox message: from a tag, which only a configuration set publishes, or from a
// header, which an identity publishes if it is configured to.
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

// sanitize returns the letters, digits and - of a provider's detail, or "" if it may contain an address.
func sanitize(s string) string {
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
