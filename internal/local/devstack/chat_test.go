package devstack

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// broken are the ways to spoil a good request: what to replace, and by what.
type broken map[string][2]string

// judged posts body, spoilt in each way, and wants only the good one taken.
func judged(t *testing.T, body string, ways broken, double func() (handler http.Handler, problems func() []string)) {
	t.Helper()
	ways["whole"] = [2]string{}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			handler, problems := double()
			spoilt := strings.Replace(body, way[0], way[1], 1)
			if spoilt == body && name != "whole" {
				t.Fatal("nothing is spoilt")
			}
			request, answer := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(spoilt)), httptest.NewRecorder()
			request.Header.Set("Content-Type", "application/json")
			handler.ServeHTTP(answer, request)
			if taken := answer.Code/100 == 2 && len(problems()) == 0; taken != (name == "whole") {
				t.Errorf("%d %s %v", answer.Code, answer.Body, problems())
			}
		})
	}
}

func TestTheFakeOfSlackRefuses(t *testing.T) {
	const whole = `{"text":"a &amp; b","unfurl_links":false,"unfurl_media":false,"mrkdwn":false,"blocks":[` +
		`{"type":"header","text":{"type":"plain_text","text":"Title","emoji":false}},` +
		`{"type":"section","text":{"type":"plain_text","text":"Lines","emoji":false}}]}`
	judged(t, whole, broken{
		"not JSON": {`{"text"`, `"text"`}, "unknown member": {`"mrkdwn"`, `"markdown"`}, "no text": {"a &amp; b", ""},
		"unescaped": {"&amp;", "&"}, "mention": {"a &amp; b", "<!channel>"}, "mention in a block": {"Lines", "<@U1>"},
		"formatted block": {"plain_text", "mrkdwn"}, "emoji": {`"emoji":false`, `"emoji":true`}, "unknown block": {`"header"`, `"heading"`},
		"long header": {"Title", strings.Repeat("x", 151)}, "long section": {"Lines", strings.Repeat("x", 3001)}, "empty header": {"Title", ""},
		"previews": {`"unfurl_links":false`, `"unfurl_links":true`},
	}, func() (http.Handler, func() []string) { s := &Slack{}; return s, s.Problems })
}

func TestTheFakeOfDiscordRefuses(t *testing.T) {
	const whole = `{"embeds":[{"title":"Title","description":"Lines","color":255}],"allowed_mentions":{"parse":[]}}`
	judged(t, whole, broken{
		"not JSON": {`{"embeds"`, `"embeds"`}, "unknown member": {`"embeds"`, `"embed"`}, "no embed": {`{"title":"Title","description":"Lines","color":255}`, ""},
		"mentions": {`"parse":[]`, `"parse":["everyone"]`}, "mentions by default": {`,"allowed_mentions":{"parse":[]}`, ""}, "null": {"[]}", "null}"},
		"long title": {"Title", strings.Repeat("x", 257)}, "long description": {"Lines", strings.Repeat("x", 4097)}, "empty title": {"Title", ""},
		"formatted": {"Lines", "*Lines*"}, "link": {"Lines", "https://a.example"}, "color": {"255", "16777216"},
	}, func() (http.Handler, func() []string) { d := &Discord{}; return d, d.Problems })
}

// The receiver verifies before it reads. The signatures are of Python's hmac.
func TestTheFakeOfAReceiverRefuses(t *testing.T) {
	const (
		body  = `{"type":"subscription.confirmed","timestamp":"2026-03-01T11:00:00Z","data":{"event_id":"e1"}}`
		right = "v1,YpFh3WdxuHYDANaK9DWCJe0j48pY3GlIQP69XSgoj1w="
	)
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		id, at, signature, body string
		want                    int
	}{
		"whole":             {"d1", "1772366400", right, body, 204},
		"two signatures":    {"d1", "1772366400", "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= " + right, body, 204},
		"another secret":    {"d1", "1772366400", "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", body, 401},
		"another id":        {"d2", "1772366400", right, body, 401},
		"another time":      {"d1", "1772366401", right, body, 401},
		"another body":      {"d1", "1772366400", right, body + " ", 401},
		"another version":   {"d1", "1772366400", "v2" + right[2:], body, 401},
		"not base64":        {"d1", "1772366400", right + ",", body, 401},
		"no signature":      {"d1", "1772366400", "", body, 401},
		"no id":             {"", "1772366400", right, body, 401},
		"an id with a stop": {"d.1", "1772366400", right, body, 401},
		"long ago":          {"d1", "1772366000", "v1,oaUZRjoC5zM/LRQvJYI6hP85FTRyk6LD7dSZnsxD6oE=", body, 401},
		"no thin payload":   {"d1", "1772366400", "v1,c9pf/OTLmdo9eAp8LAYdfYMBxIym+f6hg6lxzhhZFRU=", strings.Replace(body, "e1", "jane@example.org", 1), 401},
	} {
		t.Run(name, func(t *testing.T) {
			double, answer := NewWebhooks(func() time.Time { return now }), httptest.NewRecorder()
			request := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(test.body))
			request.Header.Set("Content-Type", "application/json")
			request.Header.Set("webhook-id", test.id)
			request.Header.Set("webhook-timestamp", test.at)
			request.Header.Set("webhook-signature", test.signature)
			double.ServeHTTP(answer, request)
			if answer.Code != test.want || (len(double.Received()) == 1) != (test.want == 204) || (len(double.Problems()) == 0) != (test.want == 204) {
				t.Errorf("%d %v %v", answer.Code, double.Received(), double.Problems())
			}
		})
	}
}
