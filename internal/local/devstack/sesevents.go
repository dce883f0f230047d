package devstack

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
)

// publishTo sends email events to a function, as SES does through SNS. Emails to bounce@ or complaint@ of any domain
// bounce or cause a complaint, as with the mailbox simulator of SES. All others are delivered.
func (s *Stack) publishTo(function string) {
	s.Fakes.SES.mu.Lock()
	defer s.Fakes.SES.mu.Unlock()
	s.Fakes.SES.publish = func(m Email) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		payload, err := json.Marshal(notification(m))
		if err != nil {
			return
		}
		_, _ = s.Lambda.Invoke(ctx, function, payload) // the stack may be ending
	}
}

// notification returns the SNS event about an email.
func notification(m Email) events.SNSEvent {
	at := m.At.UTC().Format(time.RFC3339Nano)
	about := map[string]any{"mail": map[string]any{
		"timestamp": at, "destination": []string{m.To}, "tags": map[string][]string{"ses:configuration-set": {m.Set}, "delivery": {m.Tags["delivery"]}},
	}}
	switch mailbox, _, _ := strings.Cut(strings.ToLower(m.To), "@"); {
	case strings.HasPrefix(mailbox, "bounce"):
		about["eventType"] = "Bounce"
		about["bounce"] = map[string]any{"bounceType": "Permanent", "bounceSubType": "General", "timestamp": at}
	case strings.HasPrefix(mailbox, "complaint"):
		about["eventType"] = "Complaint"
		about["complaint"] = map[string]any{"complaintFeedbackType": "abuse", "timestamp": at}
	default:
		about["eventType"] = "Delivery"
		about["delivery"] = map[string]any{"timestamp": at}
	}
	message, err := json.Marshal(about)
	if err != nil {
		return events.SNSEvent{}
	}
	return events.SNSEvent{Records: []events.SNSEventRecord{{
		EventSource: "aws:sns", EventVersion: "1.0", SNS: events.SNSEntity{Type: "Notification", MessageID: "local", Timestamp: m.At, Message: string(message)},
	}}}
}
