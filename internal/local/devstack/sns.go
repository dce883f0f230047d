package devstack

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"newsletter/internal/fixtures/canary"
)

// TopicARN is the topic that the fake of SNS knows.
const TopicARN = "arn:aws:sns:eu-central-1:123456789012:newsletter-alerts"

// SNS is a fake of Amazon SNS (query protocol): it takes messages for one topic, and refuses what the service refuses.
// It is safe for concurrent use.
type SNS struct{ chat }

// ServeHTTP implements http.Handler.
func (s *SNS) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.serve(canary.SNS, w, r, s.answer) }

// snsSubject matches the subjects that the service accepts (Publish API).
var snsSubject = regexp.MustCompile(`^[!-~][ -~]{0,99}$`)

func (s *SNS) answer(w http.ResponseWriter, r *http.Request) {
	err := r.ParseForm()
	subject, message := r.PostForm.Get("Subject"), r.PostForm.Get("Message")
	switch {
	case err != nil:
	case r.Method != http.MethodPost || r.PostForm.Get("Action") != "Publish" || r.PostForm.Get("Version") != "2010-03-31":
		err = fmt.Errorf("%s %s", r.Method, r.PostForm.Get("Action"))
	case !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 "):
		err = fmt.Errorf("not signed")
	case r.PostForm.Get("TopicArn") != TopicARN:
		err = fmt.Errorf("another topic: %s", r.PostForm.Get("TopicArn"))
	case !snsSubject.MatchString(subject) || message == "" || len(message) > 256<<10:
		err = fmt.Errorf("subject %q, message of %d bytes", subject, len(message))
	case strings.Contains(message, "@"):
		err = fmt.Errorf("an address in the message")
	}
	w.Header().Set("Content-Type", "text/xml")
	if err != nil {
		s.problem(err.Error())
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`<ErrorResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><Error><Type>Sender</Type>` +
			`<Code>InvalidParameter</Code><Message>refused</Message></Error><RequestId>local</RequestId></ErrorResponse>`))
		return
	}
	s.keep(ChatMessage{subject, message})
	_ = xml.NewEncoder(w).Encode(struct {
		XMLName xml.Name `xml:"http://sns.amazonaws.com/doc/2010-03-31/ PublishResponse"`
		ID      string   `xml:"PublishResult>MessageId"`
		Request string   `xml:"ResponseMetadata>RequestId"`
	}{ID: fmt.Sprintf("local-%d", len(s.Messages())), Request: "local"})
}
