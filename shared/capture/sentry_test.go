package capture

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"newsletter/shared/config"
)

const publicKey = "0123456789abcdef0123456789abcdef"

// canaries must never be sent, wherever they occur in a text.
var canaries = map[string]string{
	"address":      "jane.doe+news@mail.example.org",
	"IDN address":  "jürgen@bücher.example",
	"encoded":      "jane%40example.org",
	"IPv4":         "203.0.113.77",
	"IPv6":         "2001:db8:85a3::8a2e:370:7334",
	"short IPv6":   "2a00::77",
	"token":        "AWsxfQBx9Zk3vLq0pT7uYc2eRn8mHd5gJw4sKb6oXiU",
	"hex key":      "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
	"base64 key":   "kZ4x+/9dQm7LrT2vYw8sBnCj3HfGp6KaUe1iOoXlMzA=",
	"quoted value": "Key (email)=(jane) already exists",
}

// sentryServer accepts envelopes like Sentry and refuses what Sentry would refuse.
type sentryServer struct {
	*httptest.Server
	t *testing.T

	mu     sync.Mutex
	raw    bytes.Buffer // everything that arrived, with headers
	events []event
}

// event is the part of an event payload that the tests read.
type event struct {
	EventID     string            `json:"event_id"`
	Timestamp   time.Time         `json:"timestamp"`
	Level       string            `json:"level"`
	Platform    string            `json:"platform"`
	Environment string            `json:"environment"`
	Release     string            `json:"release"`
	ServerName  string            `json:"server_name"`
	Fingerprint []string          `json:"fingerprint"`
	Tags        map[string]string `json:"tags"`
	Exception   []struct {
		Type       string `json:"type"`
		Value      string `json:"value"`
		Stacktrace *struct {
			Frames []struct {
				Function string `json:"function"`
				Lineno   int    `json:"lineno"`
			} `json:"frames"`
		} `json:"stacktrace"`
	} `json:"exception"`
	Breadcrumbs []struct {
		Category string         `json:"category"`
		Message  string         `json:"message"`
		Data     map[string]any `json:"data"`
	} `json:"breadcrumbs"`
}

func newSentryServer(t *testing.T) *sentryServer {
	t.Helper()
	s := &sentryServer{t: t}
	s.Server = httptest.NewServer(http.HandlerFunc(s.receive))
	t.Cleanup(s.Close)
	return s
}

// open returns a Reporter with the server's DSN.
func (s *sentryServer) open(t *testing.T) *Reporter {
	t.Helper()
	dsn := strings.Replace(s.URL, "http://", "http://"+publicKey+"@", 1) + "/42"
	r, err := New(Config{DSN: config.Seal(dsn), Environment: "test", Release: "newsletter@1.2.3"}, nil, "subscribe")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var eventID = regexp.MustCompile(`^[0-9a-f]{32}$`)

func (s *sentryServer) receive(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		s.t.Error(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Method != http.MethodPost || r.URL.Path != "/api/42/envelope/" || r.Header.Get("Content-Type") != "application/x-sentry-envelope" ||
		!strings.Contains(r.Header.Get("X-Sentry-Auth"), "sentry_key="+publicKey) {
		s.t.Errorf("%s %s %v", r.Method, r.URL, r.Header)
		w.WriteHeader(http.StatusForbidden)
		return
	}
	if err := r.Header.Write(&s.raw); err != nil {
		s.t.Error(err)
	}
	s.raw.Write(body)
	s.readEnvelope(body)
	_, _ = io.WriteString(w, "{}")
}

// readEnvelope splits an envelope: a header line, and then for each item a header line and its payload.
func (s *sentryServer) readEnvelope(body []byte) {
	header, rest, _ := bytes.Cut(body, []byte("\n"))
	var envelope struct {
		EventID string    `json:"event_id"`
		SentAt  time.Time `json:"sent_at"`
	}
	if err := json.Unmarshal(header, &envelope); err != nil || !eventID.MatchString(envelope.EventID) || envelope.SentAt.IsZero() {
		s.t.Errorf("envelope header %s: %v", header, err)
	}
	for len(bytes.TrimSpace(rest)) > 0 {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
		var item struct {
			Type   string `json:"type"`
			Length int    `json:"length"`
		}
		if err := json.Unmarshal(line, &item); err != nil || item.Type != "event" || item.Length <= 0 || item.Length > len(rest) {
			s.t.Fatalf("item header %s: %v", line, err)
		}
		var e event
		if err := json.Unmarshal(rest[:item.Length], &e); err != nil {
			s.t.Error(err)
		}
		if e.EventID != envelope.EventID || e.Timestamp.IsZero() || e.Platform != "go" || len(e.Exception) == 0 {
			s.t.Errorf("event %s", rest[:item.Length])
		}
		s.events = append(s.events, e)
		rest = bytes.TrimPrefix(rest[item.Length:], []byte("\n"))
	}
}

// received flushes and returns everything that has arrived.
func (s *sentryServer) received() []event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]event(nil), s.events...)
}
