package mail

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"newsletter/shared/phrases"
)

// ses answers as the service does and keeps what it was sent.
func ses(t *testing.T, status int, header http.Header, code string) (*Sender, *map[string]any) {
	sent := &map[string]any{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != "/v2/email/outbound-emails" {
			t.Errorf("%s %s", r.Method, r.URL.Path)
		}
		if got := r.Header.Get("Authorization"); !strings.HasPrefix(got, "AWS4-HMAC-SHA256 Credential=AKIDTEST/") || !strings.Contains(got, "/ses/aws4_request") {
			t.Errorf("authorization %q", got)
		}
		body, _ := io.ReadAll(r.Body)
		if err := json.Unmarshal(body, sent); err != nil {
			t.Error(err)
		}
		for name, values := range header {
			w.Header()[name] = values
		}
		if status != http.StatusOK {
			w.Header().Set("X-Amzn-Errortype", code)
			w.WriteHeader(status)
			fmt.Fprint(w, `{"message":"Email address is not verified: jane@example.org"}`)
			return
		}
		fmt.Fprint(w, `{"MessageId":"0100-abc"}`)
	}))
	t.Cleanup(server.Close)
	t.Setenv("AWS_ENDPOINT_URL_SESV2", server.URL)
	t.Setenv("AWS_REGION", "eu-central-1")
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDTEST")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	return NewSender(Config{From: "News <news@example.org>", ConfigurationSet: "set"}), sent
}

func letter() Message {
	m := Compose(Letter{
		Phrases: phrases.Letter{Subject: "Please confirm", Before: []string{"Tom & Jerry <script>"}, Button: "Open", After: []string{"After."}},
		Lang:    "en", Link: `https://api.example.org/confirm?token=a&"b"`, Leave: "Leave:", UnsubscribeTo: "https://api.example.org/unsubscribe?token=c",
		Footer: []string{"The Jane Letter", "1 Main St"},
	})
	m.To, m.DeliveryID = "jane@example.org", "0190"
	return m
}

func TestSendCarriesTheHeadersOfOneClick(t *testing.T) {
	sender, sent := ses(t, http.StatusOK, nil, "")
	id, err := sender.Send(t.Context(), letter())
	if err != nil || id != "0100-abc" {
		t.Fatalf("%q %v", id, err)
	}
	if got := (*sent)["ConfigurationSetName"]; got != "set" {
		t.Errorf("configuration set %v", got)
	}
	simple := (*sent)["Content"].(map[string]any)["Simple"].(map[string]any)
	headers := map[string]string{}
	for _, h := range simple["Headers"].([]any) {
		pair := h.(map[string]any)
		headers[pair["Name"].(string)] = pair["Value"].(string)
	}
	for name, want := range map[string]string{
		"List-Unsubscribe":      "<https://api.example.org/unsubscribe?token=c>",
		"List-Unsubscribe-Post": "List-Unsubscribe=One-Click", "Auto-Submitted": "auto-generated", "X-Entity-Ref-ID": "0190",
	} {
		if headers[name] != want {
			t.Errorf("%s: %q, want %q", name, headers[name], want)
		}
	}
}

func TestFailuresAreSorted(t *testing.T) {
	for name, test := range map[string]struct {
		status    int
		code      string
		after     string
		cause     string
		permanent bool
		wait      time.Duration
	}{
		"rejected":  {400, "MessageRejected", "", "rejected", true, 0},
		"malformed": {400, "BadRequestException", "", "bad_request", true, 0},
		"throttled": {429, "TooManyRequestsException", "7", "throttled", false, 7 * time.Second},
		"paused":    {400, "SendingPausedException", "", "sending_paused", false, 0},
		"down":      {503, "ServiceUnavailable", "", "status_503", false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			header := http.Header{}
			if test.after != "" {
				header.Set("Retry-After", test.after)
			}
			sender, _ := ses(t, test.status, header, test.code)
			_, err := sender.Send(t.Context(), letter())
			failure, ok := errors.AsType[*SendError](err)
			if !ok || failure.Cause != test.cause || failure.Permanent != test.permanent || failure.RetryAfter != test.wait {
				t.Fatalf("got %+v", err)
			}
			if strings.Contains(err.Error(), "jane") {
				t.Errorf("the error names the person: %v", err)
			}
		})
	}
	t.Run("unreachable", func(t *testing.T) {
		sender, _ := ses(t, http.StatusOK, nil, "")
		t.Setenv("AWS_ENDPOINT_URL_SESV2", "http://127.0.0.1:1")
		sender = NewSender(sender.cfg)
		_, err := sender.Send(t.Context(), letter())
		if failure, ok := errors.AsType[*SendError](err); !ok || failure.Cause != "unreachable" || failure.Permanent {
			t.Fatalf("got %+v", err)
		}
	})
}

func TestComposeEscapes(t *testing.T) {
	m := letter()
	if strings.Contains(m.HTML, "<script>") || !strings.Contains(m.HTML, "Tom &amp; Jerry &lt;script&gt;") {
		t.Errorf("HTML: %s", m.HTML)
	}
	if !strings.Contains(m.HTML, `href="https://api.example.org/confirm?token=a&amp;&#34;b&#34;"`) {
		t.Errorf("link: %s", m.HTML)
	}
	for _, want := range []string{"Tom & Jerry <script>", "Open:\nhttps://api.example.org/confirm", "Leave:\nhttps://", "-- \nThe Jane Letter\n1 Main St"} {
		if !strings.Contains(m.Text, want) {
			t.Errorf("text lacks %q: %s", want, m.Text)
		}
	}
}
