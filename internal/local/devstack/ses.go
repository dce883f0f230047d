package devstack

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/mail"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"newsletter/internal/fixtures/canary"
)

// Email is an email that the fake of SES accepted.
type Email struct {
	To      string            `json:"to"`
	From    string            `json:"from"`
	Subject string            `json:"subject"`
	Text    string            `json:"text"`
	HTML    string            `json:"html"`
	Links   []string          `json:"links"`
	Headers map[string]string `json:"headers"`
	Tags    map[string]string `json:"tags"`
	Set     string            `json:"configuration_set"`
	At      time.Time         `json:"at"`
}

// SESFault is how the fake shall fail.
type SESFault struct {
	Status     int
	Code       string // such as "TooManyRequestsException"
	Message    string // defaults to "requested by the test"
	RetryAfter int    // seconds; 0 leaves the header out
	Delay      time.Duration
	// Lose, if it is not nil, takes the place of the rest: the mail is taken, and if Lose says so, the connection ends
	// without an answer.
	Lose func(taken Email) bool
}

// SES is a fake of Amazon SES (API v2, SendEmail). It checks what the service checks, keeps the emails, and fails
// as Fail requests. It is safe for concurrent use.
type SES struct {
	now func() time.Time

	mu sync.Mutex
	// publish publishes the event of each email that was sent with the configuration set. It is nil without a receiver,
	// and not called while eventsOff.
	publish   func(Email)
	eventsOff bool
	emails    []Email
	problems  []string
	failing   []SESFault
	calls     int
}

// NewSES returns a fake that timestamps emails with the clock now.
func NewSES(now func() time.Time) *SES { return &SES{now: now} }

// Emails returns all emails, the newest first.
func (s *SES) Emails() []Email {
	s.mu.Lock()
	defer s.mu.Unlock()
	mails := slices.Clone(s.emails)
	slices.Reverse(mails)
	return mails
}

// Since returns the emails after the first n, the oldest first.
func (s *SES) Since(n int) []Email {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.emails[min(n, len(s.emails)):])
}

// Problems lists the requests that the service would have refused, and why. There should be none.
func (s *SES) Problems() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.problems)
}

// Calls counts all requests.
func (s *SES) Calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls
}

// Fail makes the next requests fail, one answer each.
func (s *SES) Fail(answers ...SESFault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failing = append(s.failing, answers...)
}

// Heal cancels the faults of Fail.
func (s *SES) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failing = nil
}

// SetPublishing turns the event destination of the configuration set on or off. It is on at first.
func (s *SES) SetPublishing(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.eventsOff = !on
}

// configurationSet is the one configuration set that the fake knows.
const configurationSet = "newsletter-local"

// sendEmail is the request of SendEmail, as far as it is used. Other members are refused.
type sendEmail struct {
	FromEmailAddress     string
	ConfigurationSetName string
	Destination          struct{ ToAddresses []string }
	EmailTags            []struct{ Name, Value string }
	Content              struct {
		Simple struct {
			Subject content
			Body    struct{ Text, Html content }
			Headers []struct{ Name, Value string }
		}
	}
}

type content struct{ Data, Charset string }

// ServeHTTP implements http.Handler.
func (s *SES) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 40<<20)) // SES takes 40 MB
	if err != nil {
		return
	}
	recordRequest(canary.SES, r, body)
	answer, fails := s.next()
	if fails && answer.Lose == nil {
		time.Sleep(answer.Delay)
		if answer.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(answer.RetryAfter))
		}
		refuse(w, answer.Status, answer.Code, cmp.Or(answer.Message, "requested by the test"))
		return
	}
	taken, err := readEmail(r, body)
	if err != nil {
		s.mu.Lock()
		s.problems = append(s.problems, err.Error())
		s.mu.Unlock()
		refuse(w, http.StatusBadRequest, "BadRequestException", err.Error())
		return
	}
	number := s.keep(taken)
	if answer.Lose != nil && answer.Lose(taken) {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, `{"MessageId":"local-%08d"}`, number)
}

// keep adds an email, publishes its event, and returns its number.
func (s *SES) keep(m Email) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	m.At = s.now()
	s.emails = append(s.emails, m)
	if s.publish != nil && m.Set == configurationSet && !s.eventsOff {
		s.publish(m)
	}
	return len(s.emails)
}

func (s *SES) next() (SESFault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls++
	if len(s.failing) == 0 {
		return SESFault{}, false
	}
	answer := s.failing[0]
	s.failing = s.failing[1:]
	return answer, true
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-Errortype", code)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"message": message})
}

var (
	// The patterns in the API reference of SESv2 for MessageHeader and MessageTag.
	headerName  = regexp.MustCompile(`^[!-9;-@A-~]{1,126}$`)
	headerValue = regexp.MustCompile(`^[ -~]{1,870}$`)
	tagPattern  = regexp.MustCompile(`^[A-Za-z0-9_-]{1,256}$`)
	linkPattern = regexp.MustCompile(`https?://[^\s<>"]+`)
)

// readEmail parses a request and checks it as the service does.
func readEmail(r *http.Request, body []byte) (Email, error) {
	if auth := r.Header.Get("Authorization"); !strings.HasPrefix(auth, "AWS4-HMAC-SHA256 Credential=") || !strings.Contains(auth, "/ses/aws4_request") {
		return Email{}, fmt.Errorf("the request is not signed for SES")
	}
	var request sendEmail
	decoder := json.NewDecoder(strings.NewReader(string(body)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&request); err != nil {
		return Email{}, fmt.Errorf("the request cannot be read: %w", err)
	}
	if set := request.ConfigurationSetName; set != "" && set != configurationSet {
		return Email{}, fmt.Errorf("configuration set %q does not exist", set)
	}
	if _, err := mail.ParseAddress(request.FromEmailAddress); err != nil {
		return Email{}, fmt.Errorf("the sender is not an address")
	}
	if to := request.Destination.ToAddresses; len(to) != 1 {
		return Email{}, fmt.Errorf("%d recipients", len(to))
	}
	if to, err := mail.ParseAddress(request.Destination.ToAddresses[0]); err != nil || to.Name != "" {
		return Email{}, fmt.Errorf("the recipient is not a bare address")
	}
	simple := request.Content.Simple
	for name, c := range map[string]content{"subject": simple.Subject, "text": simple.Body.Text, "HTML": simple.Body.Html} {
		if c.Data == "" || c.Charset != "UTF-8" {
			return Email{}, fmt.Errorf("the %s is empty, or not in UTF-8", name)
		}
	}
	if strings.ContainsAny(simple.Subject.Data, "\r\n") {
		return Email{}, fmt.Errorf("the subject has several lines")
	}
	taken := Email{
		To: request.Destination.ToAddresses[0], From: request.FromEmailAddress, Subject: simple.Subject.Data,
		Text: simple.Body.Text.Data, HTML: simple.Body.Html.Data, Headers: map[string]string{}, Tags: map[string]string{}, Set: request.ConfigurationSetName,
		Links: linkPattern.FindAllString(simple.Body.Text.Data, -1),
	}
	if len(simple.Headers) > 15 {
		return Email{}, fmt.Errorf("%d headers", len(simple.Headers))
	}
	for _, h := range simple.Headers {
		if _, twice := taken.Headers[h.Name]; twice || !headerName.MatchString(h.Name) || !headerValue.MatchString(h.Value) {
			return Email{}, fmt.Errorf("header %q", h.Name)
		}
		taken.Headers[h.Name] = h.Value
	}
	for _, tag := range request.EmailTags {
		if !tagPattern.MatchString(tag.Name) || !tagPattern.MatchString(tag.Value) {
			return Email{}, fmt.Errorf("tag %q", tag.Name)
		}
		taken.Tags[tag.Name] = tag.Value
	}
	return taken, nil
}
