package engagement

import (
	"fmt"
	"testing"
)

// Of what providers say, words are kept, and nothing that could name somebody.
func TestDetails(t *testing.T) {
	for said, want := range map[string]string{
		"General": "General", "Bad content": "Badcontent", "not-spam": "not-spam", "": "",
		"jane@example.org": "", "jane%40example.org": "", "192.0.2.7": "", "2001:db8::7": "",
	} {
		event, err := Read(fmt.Sprintf(`{"eventType":"Complaint","complaint":{"complaintFeedbackType":%q,"timestamp":"2026-01-31T12:00:00Z"},`+
			`"mail":{"tags":{"delivery":["0192b3a4-c5d6-7e8f-9012-a3b4c5d6e7f8"]}}}`, said))
		if err != nil || event.Detail != want {
			t.Errorf("%q: %q, %v; want %q", said, event.Detail, err, want)
		}
	}
}
