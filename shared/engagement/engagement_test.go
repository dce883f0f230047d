package engagement

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

const deliveryID = "0192b3a4-c5d6-7e8f-9012-a3b4c5d6e7f8"

var received = time.Date(2026, 1, 31, 12, 0, 5, 0, time.UTC)

// read reads a message about a delivery.
func read(t *testing.T, format string, args ...any) Event {
	t.Helper()
	event, relevant := Read(fmt.Sprintf(format, args...), "notification", received)
	if !relevant {
		t.Fatalf("%s is ignored", fmt.Sprintf(format, args...))
	}
	return event
}

const mail = `"mail":{"timestamp":"2026-01-31T12:00:00Z","destination":["jane@example.org"],"tags":{"delivery":["` + deliveryID + `"]}}`

// TestDetails checks that a detail contains no personal data.
func TestDetails(t *testing.T) {
	for input, want := range map[string]string{
		"General": "General", "Bad content": "Badcontent", "not-spam": "not-spam", "": "",
		"jane@example.org": "", "jane%40example.org": "", "192.0.2.7": "", "2001:db8::7": "",
	} {
		if event := read(t, `{"eventType":"Reject","reject":{"reason":%q},`+mail+`}`, input); event.Kind != Reject || event.Detail != want {
			t.Errorf("%q: %+v; want %q", input, event, want)
		}
	}
}

// TestConsequences checks all types that AWS documents, and unknown ones.
func TestConsequences(t *testing.T) {
	for input, want := range map[string]string{
		"Undetermined/Undetermined": "", "Undetermined/": "", "/": "",
		"Transient/General": "", "Transient/MailboxFull": "", "Transient/MessageTooLarge": "", "Transient/CustomTimeoutExceeded": "",
		"Transient/ContentRejected": "", "Transient/AttachmentRejected": "", "Transient/New": "",
		"Permanent/General": "suppress count", "Permanent/NoEmail": "suppress count", "Permanent/Suppressed": "suppress count",
		"Permanent/OnAccountSuppressionList": "suppress", "Permanent/OnTenantSuppressionList": "suppress",
		"Permanent/EmailValidationSuppressed": "", "Permanent/": "suppress count", "Permanent/New": "suppress count",
	} {
		bounceType, subtype, _ := strings.Cut(input, "/")
		event := read(t, `{"eventType":"Bounce","bounce":{"bounceType":%q,"bounceSubType":%q},`+mail+`}`, bounceType, subtype)
		counts := event.Permanent && !slices.Contains(uncounted(bounces, permanent+"/"), event.Detail) // as ratesSQL has it
		if got := consequences(event.Suppress, counts); got != want || event.Kind != Bounce || event.Detail != subtype {
			t.Errorf("bounce %s: %q, want %q (%+v)", input, got, want, event)
		}
	}
	for input, want := range map[string]string{
		`"complaintFeedbackType":"abuse"`: "suppress count", `"complaintFeedbackType":"Abuse"`: "suppress count", `"complaintFeedbackType":"fraud"`: "suppress count",
		`"complaintFeedbackType":"other"`: "suppress count", `"complaintFeedbackType":"not-spam"`: "", `"complaintFeedbackType":"Not-Spam"`: "",
		`"complaintFeedbackType":"auth-failure"`: "", `"complaintFeedbackType":"virus"`: "", `"complaintFeedbackType":"new"`: "suppress count",
		`"complaintSubType":null`: "suppress count", `"complaintSubType":"OnAccountSuppressionList"`: "suppress",
		`"complaintSubType":"OnTenantSuppressionList","complaintFeedbackType":"abuse"`: "suppress",
	} {
		event := read(t, `{"eventType":"Complaint","complaint":{%s},`+mail+`}`, input)
		counts := !slices.Contains(uncounted(complaints, ""), event.Detail)
		if got := consequences(event.Suppress, counts); got != want || event.Kind != Complaint {
			t.Errorf("complaint %s: %q, want %q (%+v)", input, got, want, event)
		}
	}
}

func consequences(suppress, counts bool) string {
	var all []string
	if suppress {
		all = append(all, "suppress")
	}
	if counts {
		all = append(all, "count")
	}
	return strings.Join(all, " ")
}

// TestDeliveryOfEvent checks both formats of SES.
func TestDeliveryOfEvent(t *testing.T) {
	const bounce = `{"notificationType":"Bounce","bounce":{"bounceType":"Permanent"},"mail":{`
	for about, want := range map[string]string{
		`"tags":{"delivery":["` + deliveryID + `"]}`:                                                       deliveryID,
		`"headers":[{"name":"To","value":"x"},{"name":"x-entity-ref-id","value":"` + deliveryID + `"}]`:    deliveryID,
		`"tags":{"ses:source-ip":["192.0.2.7"]},"headers":[{"name":"X-Entity-Ref-ID","value":"0192b3a4"}]`: "",
		`"tags":{"delivery":["x"]},"headers":[{"name":"X-Entity-Ref-ID","value":"` + deliveryID + `"}]`:    deliveryID,
		`"destination":["jane@example.org"],"messageId":"ses-1"`:                                           " jane@example.org ses-1",
		`"destination":["jane@example.org","joe@example.org"]`:                                             "",
		`"destination":[],"timestamp":"2026-01-31T11:59:59Z"`:                                              " 11:59:59",
		`"timestamp":"2026-01-31T12:59:59 +0100"`:                                                          " 11:59:59",
		`"timestamp":"yesterday"`: "",
		`"timestamp":7`:           "",
	} {
		event := read(t, "%s", bounce+about+`}}`)
		got := ""
		if event.DeliveryID.String() == deliveryID {
			got = deliveryID
		}
		if event.Recipient != "" {
			got += " " + event.Recipient + " " + event.MessageID
		}
		if !event.SentAt.IsZero() {
			got += " " + event.SentAt.UTC().Format(time.TimeOnly)
		}
		if got != want || event.Kind != Bounce || !event.At.Equal(received) {
			t.Errorf("%s: %q, want %q (%+v)", about, got, want, event)
		}
	}
}

// TestIgnoredAndUnreadableMessages checks that messages that are not about an email are ignored, and unreadable ones
// are not.
func TestIgnoredAndUnreadableMessages(t *testing.T) {
	for text, want := range map[string]string{
		"Successfully validated SNS topic for Amazon SES event publishing.":                                                         "",
		`{"notificationType":"AmazonSnsSubscriptionSucceeded","message":"You have successfully subscribed your Amazon SNS topic."}`: "",
		`{"eventType":"Send","send":{},` + mail + `}`:                                                                               "", `{"eventType":"Subscription",` + mail + `}`: "", `{"eventType":"Rendering Failure",` + mail + `}`: "",
		"":                                 "unreadable text",
		"jane@example.org complained":      "unreadable text",
		`{"eventType":7}`:                  "unreadable text",
		`{"mail":{}}`:                      "unreadable ",
		`{"eventType":"jane@example.org"}`: "unreadable ",
		`{"eventType":"Vanished"}`:         "unreadable Vanished",
		`{"eventType":"Bounce"}`:           "bounce ",
	} {
		event, relevant := Read(text, "notification", received)
		got := ""
		if relevant {
			got = string(event.Kind) + " " + event.Detail
		}
		if got != want || relevant && (event.MessageID != "notification" || !event.At.Equal(received)) {
			t.Errorf("%s: %q, want %q (%+v)", text, got, want, event)
		}
	}
}
