package email

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

	"newsletter/shared/catalog"
	"newsletter/shared/config"
	"newsletter/shared/outbox"
)

// ses starts a fake SES and returns a Sender for it and the last request's body.
func ses(t *testing.T, status int, header http.Header, code, message string) (*Sender, *map[string]any) {
	t.Helper()
	sent := &map[string]any{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || r.URL.Path != "/ses/v2/email/outbound-emails" {
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
			fmt.Fprintf(w, `{"message":%q}`, message)
			return
		}
		fmt.Fprint(w, `{"MessageId":"0100-abc"}`)
	}))
	t.Cleanup(server.Close)
	t.Setenv("FAKES_URL", server.URL)
	t.Setenv("AWS_REGION", "eu-central-1")
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDTEST")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	return newSender(t), sent
}

func newSender(t *testing.T) *Sender {
	t.Helper()
	sender, err := NewSender(Config{From: "Jürgens Brief <news@example.org>", ConfigurationSet: "set"})
	if err != nil {
		t.Fatal(err)
	}
	return sender
}

func composed() Message {
	m := Compose(Content{
		Texts: catalog.EmailTexts{Subject: "Please confirm", Before: []string{"Tom & Jerry <script>"}, Button: "Open", After: []string{"After."}},
		Lang:  "en", Link: `https://api.example.org/confirm?token=a&"b"`, UnsubscribeIntro: "Stop:", UnsubscribeTo: "https://api.example.org/unsubscribe?token=c",
		Footer: []string{"The Jane Letter", "1 Main St"},
	})
	m.To, m.DeliveryID = "jane@example.org", "0190"
	return m
}

func TestSendSetsTheOneClickHeaders(t *testing.T) {
	sender, sent := ses(t, http.StatusOK, nil, "", "")
	id, err := sender.Send(t.Context(), composed())
	if err != nil || id != "0100-abc" {
		t.Fatalf("%q %v", id, err)
	}
	if got := (*sent)["ConfigurationSetName"]; got != "set" {
		t.Errorf("configuration set %v", got)
	}
	if got := (*sent)["FromEmailAddress"]; got != "=?utf-8?q?J=C3=BCrgens_Brief?= <news@example.org>" {
		t.Errorf("sender %v", got)
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

func TestFailuresAreClassified(t *testing.T) {
	for name, test := range map[string]struct {
		status        int
		code, message string
		after         string
		want          outbox.Failure
	}{
		"rejected":       {400, "MessageRejected", "to jane@example.org", "", outbox.Failure{Cause: "rejected", Permanent: true}},
		"not verified":   {400, "MessageRejected", "Email address is not verified: jane@example.org", "", outbox.Failure{Cause: "not_verified", NeedsOwner: true}},
		"malformed":      {400, "BadRequestException", "jane@example.org", "", outbox.Failure{Cause: "bad_request", Permanent: true}},
		"throttled":      {429, "TooManyRequestsException", "", "7", outbox.Failure{Cause: throttled, AffectsDestination: true, RetryAfter: 7 * time.Second}},
		"quota":          {400, "LimitExceededException", "", "", outbox.Failure{Cause: throttled, AffectsDestination: true}},
		"paused":         {400, "SendingPausedException", "", "", outbox.Failure{Cause: "sending_paused", AffectsDestination: true, NeedsOwner: true}},
		"suspended":      {400, "AccountSuspendedException", "", "", outbox.Failure{Cause: "sending_paused", AffectsDestination: true, NeedsOwner: true}},
		"no set":         {404, "NotFoundException", "", "", outbox.Failure{Cause: "not_set_up", AffectsDestination: true, NeedsOwner: true}},
		"no permission":  {403, "AccessDeniedException", "", "", outbox.Failure{Cause: "status_403", AffectsDestination: true, NeedsOwner: true}},
		"down":           {503, "ServiceUnavailable", "", "", outbox.Failure{Cause: "status_503"}},
		"date":           {503, "ServiceUnavailable", "", "Wed, 21 Oct 2026 07:28:00 GMT", outbox.Failure{Cause: "status_503"}},
		"negative delay": {503, "", "<html>", "-5", outbox.Failure{Cause: "status_503"}},
	} {
		t.Run(name, func(t *testing.T) {
			header := http.Header{}
			if test.after != "" {
				header.Set("Retry-After", test.after)
			}
			sender, _ := ses(t, test.status, header, test.code, test.message)
			_, err := sender.Send(t.Context(), composed())
			failure, ok := errors.AsType[*outbox.Failure](err)
			if !ok {
				t.Fatalf("got %v", err)
			}
			got := *failure
			got.Err = nil
			if got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
			if strings.Contains(err.Error(), "jane") {
				t.Errorf("the error contains the address: %v", err)
			}
		})
	}
}

func TestAnUnreachableServiceIsATemporaryFailure(t *testing.T) {
	t.Setenv("FAKES_URL", "http://127.0.0.1:1")
	_, err := newSender(t).Send(t.Context(), composed())
	if failure, ok := errors.AsType[*outbox.Failure](err); !ok || failure.Cause != "unreachable" || failure.Permanent {
		t.Fatalf("got %+v", err)
	}
}

func TestTheSenderIsCheckedAtStart(t *testing.T) {
	for _, from := range []string{"", "news", "a@example.org, b@example.org", "News <news@example.org>\r\nBcc: x@example.net", "news@exämple.org"} {
		env := config.FromMap(map[string]string{"MAIL_FROM": from})
		config.Read[Config](env)
		if err := env.Err(); err == nil || !strings.Contains(err.Error(), "MAIL_FROM") {
			t.Errorf("%q: %v", from, err)
		}
		if sender, err := NewSender(Config{From: from}); err == nil {
			t.Errorf("%q: accepted as %q", from, sender.from)
		}
	}
}

func TestComposeEscapes(t *testing.T) {
	m := composed()
	if strings.Contains(m.HTML, "<script>") || !strings.Contains(m.HTML, "Tom &amp; Jerry &lt;script&gt;") {
		t.Errorf("HTML: %s", m.HTML)
	}
	if !strings.Contains(m.HTML, `href="https://api.example.org/confirm?token=a&amp;&#34;b&#34;"`) {
		t.Errorf("link: %s", m.HTML)
	}
	for _, want := range []string{"Tom & Jerry <script>", "Open:\nhttps://api.example.org/confirm", "Stop:\nhttps://", "-- \nThe Jane Letter\n1 Main St"} {
		if !strings.Contains(m.Text, want) {
			t.Errorf("text lacks %q: %s", want, m.Text)
		}
	}
}

func TestTheUnsubscribeLinkAppearsOnce(t *testing.T) {
	const link = "https://api.example.org/unsubscribe?token=c"
	m := Compose(Content{Texts: catalog.EmailTexts{Subject: "s", Button: "Open"}, Link: link, UnsubscribeTo: link, Footer: []string{"x"}})
	for _, part := range []string{m.Text, m.HTML} {
		if strings.Count(part, link) != 1 {
			t.Errorf("%s", part)
		}
	}
	if m.UnsubscribeTo != link {
		t.Errorf("the header has %q", m.UnsubscribeTo)
	}
}
