package main

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"newsletter/internal/fixtures/functiontest"
)

// circumstances are the fields that a page fills in, apart from the honeypot.
var circumstances = []string{
	"text_version", "page", "referrer", "ref", "utm_source", "utm_medium", "utm_campaign", "utm_term", "utm_content", "locale", "started_at",
	"captcha_token", "cf-turnstile-response", "h-captcha-response",
}

// TestCircumstances signs up with any values in all fields but address and consent, in JSON and both encodings of forms:
// each sign-up is accepted and its email queued.
func TestCircumstances(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Variables["LIMITS_SUBSCRIBE"] = "10000/10m@host"
	api := b.Open(open).HTTP
	random := rand.New(rand.NewPCG(17, 1))
	const count = 200
	for i := range count {
		email := fmt.Sprintf("jane%d@example.org", i)
		event := functiontest.SampleHTTP(t, "subscribe", "json-minimal", "")
		if i%4 == 0 {
			event.Body = jsonSignUp(t, email, random)
		} else {
			fields := url.Values{"email": {" " + email, ""}, "granted": {"0", "on"}, functiontest.BadBytes(random): {functiontest.BadBytes(random)}}
			for _, name := range circumstances {
				for range random.IntN(3) {
					fields.Add(name, functiontest.BadBytes(random))
				}
			}
			var body string
			event.Headers["content-type"], body = functiontest.Form(fields, i%4 == 1)
			event.Headers["referer"] = functiontest.BadBytes(random)
			event.Body, event.IsBase64Encoded = base64.StdEncoding.EncodeToString([]byte(body)), true
		}
		if got := functiontest.Serve(t, api, event); got.Response.StatusCode != http.StatusAccepted || got.Err != nil {
			t.Fatalf("%d: %d %v %s for %q", i, got.Response.StatusCode, got.Err, got.Response.Body, event.Body)
		}
	}
	var queued, shown int
	b.Scan(`select count(*), count(e.consent_text_id) from subscribers s join outbox o on o.subscriber_id = s.id join ledger_events e on e.id = o.event_id
		where s.status = 'pending' and o.kind = 'email.confirm' and o.state = 'ready'`, nil, &queued, &shown)
	if queued != count || shown != 0 {
		t.Errorf("%d of %d emails are queued, %d sign-ups name a known consent text", queued, count, shown)
	}
	for _, stored := range b.Strings(`select concat_ws(' ', e.source, e.data, c.user_agent, c.source, s.locale) from ledger_events e join event_context c on c.event_id = e.id join subscribers s on s.id = e.subscriber_id`) {
		if strings.ContainsAny(stored, "\u202e\u200b\u2028\ufeff\x7f\ufffd") || strings.ContainsFunc(stored, func(r rune) bool { return r < ' ' }) {
			t.Errorf("invisible characters in %q", stored)
		}
	}
}

// jsonSignUp returns a sign-up in JSON with any texts, some of them half of a surrogate pair.
func jsonSignUp(t *testing.T, email string, random *rand.Rand) string {
	t.Helper()
	source, body := map[string]any{}, map[string]any{"email": "\u200b" + email + " "}
	for _, name := range circumstances[1:9] {
		source[name] = functiontest.BadText(random)
	}
	body["source"], body["locale"], body["captcha_token"] = source, functiontest.BadText(random), functiontest.BadText(random)
	body["consent"] = map[string]any{"granted": true, "text_version": "x" + functiontest.BadText(random)}
	body["started_at"] = []any{functiontest.BadText(random), 1795990000000, -3.5, nil}[random.IntN(4)]
	encoded, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Replace(string(encoded), `"ref":"`, `"ref":"\ud83d`, 1)
}

// TestRefusalsAreDocumented sends any addresses, types, members and encodings. Serve fails for a refusal that
// docs/openapi.yaml does not have, and for an accepted request that it refuses.
func TestRefusalsAreDocumented(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Variables["LIMITS_SUBSCRIBE"], b.Variables["SIGNUP_DISPOSABLE_DOMAINS"], b.Variables["SIGNUP_BLOCKED_DOMAINS"] = "10000/10m@host", "block", "blocked.example.net"
	api := b.Open(open).HTTP
	random := rand.New(rand.NewPCG(17, 3))
	statuses := map[int]int{}
	for range 400 {
		event := functiontest.SampleHTTP(t, "subscribe", "json-minimal", "")
		event.Headers["accept"] = "application/json"
		email := strings.NewReplacer("j", pick(random, "j", "j", "j", "J", "é", ".", ""), "@", pick(random, "@", "@", "@", "@", "@@", ""), "example.org",
			pick(random, "example.org", "example.org", "example.org", "example.org", "example.test", "example.c0m", "mailinator.com", "blocked.example.net", "-a.org", strings.Repeat("a", 300)+".org", functiontest.BadText(random))).Replace("jane@example.org")
		email = pick(random, "", "", "", " ", functiontest.BadText(random)) + email + pick(random, "", "", "", functiontest.BadText(random))
		text, err := json.Marshal(email)
		if err != nil {
			t.Fatal(err)
		}
		value := func() string {
			return pick(random, string(text), string(text), "null", "true", "5", "{}", "[]", `{"granted":false}`, `{"granted":true}`, `"x"`)
		}
		body := fmt.Sprintf(`{"email":%s,%q:%s}`, pick(random, string(text), string(text), string(text), value()),
			pick(random, "locale", "consent", "source", "website", "started_at", "captcha_token", "email", "other", "Email"), value())
		switch random.IntN(6) {
		case 0:
			body = body[:random.IntN(len(body)+1)]
		case 1:
			var form string
			event.Headers["content-type"], form = functiontest.Form(url.Values{"email": {email, pick(random, "", email, "john@example.org")}, "granted": {pick(random, "", "on")}}, random.IntN(2) == 0)
			body = form
		case 2:
			event.Headers[pick(random, "content-type", "content-encoding")] = pick(random, "text/plain", "gzip", "identity", "application/json")
		case 3:
			body += strings.Repeat(" ", random.IntN(100_000))
		}
		event.Body, event.IsBase64Encoded = base64.StdEncoding.EncodeToString([]byte(body)), true
		statuses[functiontest.Serve(t, api, event).Response.StatusCode]++
	}
	for _, status := range []int{http.StatusAccepted, http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity} {
		if statuses[status] < 5 {
			t.Errorf("only %d answers have the status %d: %v", statuses[status], status, statuses)
		}
	}
}

func pick(random *rand.Rand, values ...string) string { return values[random.IntN(len(values))] }

// TestCleanedFields lists what is noted about a sign-up, and what of it is kept.
func TestCleanedFields(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	b.Variables["SIGNUP_SOURCES"] = "spring,/blog/"
	api := b.Open(open).HTTP
	for body, want := range map[string]string{
		`email=jane@example.org&utm_campaign=spring&locale=de-AT&started_at=2026-01-31T12:00:00Z&text_version=default-1&page=https://www.example.org/blog/?gclid=` + strings.Repeat("x", 3000): `spring de-AT https://example.org/blog/`,
		`email=jane@example.org&started_at=1795990000000`:                ``,
		`email=jane@example.org+`:                                        `["email"]`,
		`email=jane@example.org&utm_campaign=spring%0A`:                  `["utm_campaign"] spring`,
		`email=jane@example.org&utm_campaign=sp%FFring`:                  `["utm_campaign"] spring`,
		`email=jane@example.org&utm_campaign=&utm_campaign=spring`:       `spring`,
		`email=jane@example.org&utm_campaign=spring&utm_campaign=fall`:   `["utm_campaign"] spring`,
		`email=jane@example.org&locale=en_US`:                            `["locale"] en-US`,
		`email=jane@example.org&locale=*`:                                `["locale"]`,
		`email=jane@example.org&page=https://www.example.org/blog/%0A`:   `["page"] https://example.org/blog/`,
		`email=jane@example.org&page=http://[::1`:                        `["page"]`,
		`email=jane@example.org&started_at=soon`:                         `["started_at"]`,
		`email=jane@example.org&text_version=unheard-of`:                 `["text_version"]`,
		`email=jane@example.org&text_version=` + strings.Repeat("x", 65): `["text_version"]`,
		`email=jane@example.org&name=M%FCller&discount=100%`:             ``,
	} {
		event := functiontest.SampleHTTP(t, "subscribe", "json-minimal", "")
		event.Headers["content-type"], event.Body = "application/x-www-form-urlencoded", strings.Replace(body, "+", "%20", 1)
		if got := functiontest.Serve(t, api, event); got.Response.StatusCode != http.StatusAccepted {
			t.Errorf("%s: %d %s", body, got.Response.StatusCode, got.Response.Body)
		}
		got := b.Strings(`select concat_ws(' ', data->>'cleaned', source->>'utm_campaign', data->>'locale', source->>'page') from ledger_events order by id desc limit 1`)
		if !slices.Equal(got, []string{want}) {
			t.Errorf("%.80s: recorded %q, want %q", body, got, want)
		}
	}
}

// TestClaimsRefuse checks that a form with two addresses, and one whose box is not ticked, are refused.
func TestClaimsRefuse(t *testing.T) {
	t.Parallel()
	b := functiontest.New(t)
	api := b.Open(open).HTTP
	for body, pointer := range map[string]string{
		"email=jane@example.org&email=john@example.org": "#/email", "email=": "#/email", "": "#/email", "email=jane%00x@example.org": "#/email",
		"email=j%FCrgen@example.org": "#/email", "email=jane@example.org&granted=": "#/granted", "email=jane@example.org&granted=0&granted=false": "#/granted",
	} {
		event := functiontest.SampleHTTP(t, "subscribe", "json-minimal", "")
		event.Headers["content-type"], event.Body, event.Headers["accept"] = "application/x-www-form-urlencoded", body, "application/json"
		if got := functiontest.Serve(t, api, event); got.Response.StatusCode != http.StatusUnprocessableEntity || !strings.Contains(got.Response.Body, `"pointer":"`+pointer+`"`) {
			t.Errorf("%q: %d %s", body, got.Response.StatusCode, got.Response.Body)
		}
	}
	b.ExpectState("", "", "")
}
