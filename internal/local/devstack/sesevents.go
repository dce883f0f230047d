package devstack

import (
	"encoding/json"
	"strings"
	"time"
)

// publishTo sends the event of each email to a queue, as SES does through SNS.
func (s *SES) publishTo(q *SQS) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.publish = func(m Email) { q.keep(notification(m)) }
}

// Republish publishes the events of all emails again, also while SetPublishing is off, as SNS may.
func (s *SES) Republish() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.emails {
		s.publish(m)
	}
}

// notification returns the message about an email that SES publishes to SNS, in the envelope in which SNS sends it to a
// queue (SNS developer guide, "Fanout to Amazon SQS queues"). Emails to bounce@ or complaint@ of any domain bounce or
// cause a complaint, as with the mailbox simulator of SES. All others are delivered.
func notification(m Email) string {
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
		return ""
	}
	envelope, err := json.Marshal(map[string]string{
		"Type": "Notification", "MessageId": "local-" + m.Tags["delivery"], "TopicArn": "arn:aws:sns:eu-central-1:123456789012:newsletter-EmailEvents",
		"Subject": "Amazon SES Email Event Notification", "Message": string(message), "Timestamp": at, "SignatureVersion": "1",
	})
	if err != nil {
		return ""
	}
	return string(envelope)
}
