package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"newsletter/internal/fixtures/canary"
	"newsletter/internal/fixtures/testenv"
	"newsletter/internal/local/devstack"
)

// A flight is a system whose inputs all contain planted values.
type flight struct {
	*cage
	*stack
	t     *testing.T
	redis *testenv.PrivateRedis
}

// TestCanary plants addresses, tokens, network addresses and keys in every input and setting, with valid input, with
// bad input and during failures. None may appear in a log line, report, metric, problem, message or row where it does
// not belong. The test reads the output of every sink, as internal/fixtures/testenv/run does for the whole suite.
func TestCanary(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(canary.DirVariable, dir)
	f := takeOff(t)
	f.goodPaths()
	f.badInput()
	f.directly()
	f.refused()
	f.withoutPostgres()
	f.withoutRedis()
	f.land(dir)
}

// takeOff starts the system with planted secrets and the log level DEBUG.
func takeOff(t *testing.T) *flight {
	f := &flight{cage: newCage(t), t: t, redis: testenv.RedisServer(t)}
	o := quiet()
	o.Redis, o.Concurrency = &devstack.Redis{URL: f.redis.URL, CAFile: f.redis.CAFile}, 2
	maps.Copy(o.Variables, map[string]string{
		"LOG_LEVEL": "DEBUG", "CAPTCHA_PROVIDER": "turnstile", "CAPTCHA_HOSTNAMES": "www.example.org", "LIMITS_PRIVACY": "500/10m@host",
		"PEPPER": f.key("PEPPER"), "JOURNAL_URL": "s3://" + devstack.S3Bucket + "/stops",
	})
	for _, name := range []string{"TOKEN_KEYS_CONFIRM", "TOKEN_KEYS_UNSUBSCRIBE", "TOKEN_KEYS_PRIVACY", "TOKEN_KEYS_SERVER", "OUTBOX_KEYS"} {
		o.Variables[name] = "cnry:" + f.key(name)
	}
	f.stack = start(t, o)
	for name, value := range map[string]string{
		"database password": f.db.AppPassword, "Redis password": f.redis.Secret, "Loops key": devstack.LoopsKey, "GA4 secret": devstack.GA4Secret,
		"webhook secret": devstack.WebhookSecret, "Vector token": devstack.VectorToken, "CAPTCHA secret": devstack.CaptchaSecret,
		"superuser's URL": f.db.AdminURL,
	} {
		f.plant(name, canary.Key, value)
	}
	return f
}

// visitor returns a visitor with a planted network address.
func (f *flight) visitor(name, ip string) *visitor { return newVisitor(f.base, f.network(name, ip)) }

// signUp returns the body of a sign-up with a planted value in every member.
func (f *flight) signUp(email, name string) string {
	body, err := json.Marshal(map[string]any{
		"email": email, "locale": "de", "consent": map[string]any{"granted": true}, "captcha_token": f.solve(),
		"fields": map[string]string{"company": f.address(name + "'s company")},
		"source": map[string]string{
			"page":     "https://www.example.org/in/" + f.link(name+"'s page") + "?email=" + f.address("page") + "#" + f.key(name+"'s page"),
			"referrer": "https://jane:" + f.key(name+"'s referrer") + "@www.example.org/" + url.PathEscape(f.address("referrer")),
			"ref":      f.address("ref"), "utm_source": f.key(name + "'s utm_source"), "utm_medium": url.QueryEscape(f.address("medium")),
			"utm_campaign": f.link(name + "'s utm_campaign"), "utm_term": f.network(name+"'s utm_term", "203.0.113.79"),
			"utm_content": f.network(name+"'s utm_content", "2001:db8:79:1::7"),
		},
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return string(body)
}

func (f *flight) solve() string {
	return f.plant("answer of the widget", canary.Key, f.Fakes.Captcha.Solve(devstack.SolvedChallenge{Hostname: "www.example.org"}))
}

// send makes a request with luggage and checks the status.
func (f *flight) send(v *visitor, want int, method, path, body string, fields ...string) answer {
	f.t.Helper()
	got := v.send(f.t, method, path, body, append(f.luggage(), fields...)...)
	if got.Status != want {
		f.t.Errorf("%s %.60s: %d %.300s, want %d", method, path, got.Status, got.Body, want)
	}
	return got
}

// activate signs up and confirms an address, and returns its latest unsubscribe link.
func (f *flight) activate(v *visitor, email, name string) (leave string) {
	f.t.Helper()
	f.send(v, http.StatusAccepted, http.MethodPost, subscribePath, f.signUp(email, name), asJSON)
	f.deliver(f.t)
	mail := v.mail(f.t, email, 1)
	confirm := f.mailed(name+" to confirm", mail.link(f.t, confirmPath))
	f.send(v, http.StatusOK, http.MethodGet, confirm, "", "Accept: text/html")
	f.send(v, http.StatusOK, http.MethodPost, confirm, agree, asForm)
	return f.mailed(name+" to leave", mail.link(f.t, unsubscribePath))
}

// goodPaths uses every route with valid requests and everything that clients may add to them.
func (f *flight) goodPaths() {
	v := f.visitor("Jane", "127.66.1.1")
	jane, odd := f.address("Jane"), f.addressWith("Odd", "='o+tag")
	for _, email := range []string{strings.ToUpper(jane), " " + jane + " "} { // before the email, in other spellings
		f.send(v, http.StatusAccepted, http.MethodPost, subscribePath+"?email="+url.QueryEscape(jane)+"&token="+f.link("query"),
			f.signUp(email, "Jane"), asJSON)
	}
	leave := f.activate(v, jane, "Jane")
	f.send(v, http.StatusAccepted, http.MethodPost, subscribePath, url.Values{
		"email": {odd}, "page": {"https://www.example.org/?" + f.address("form")}, "ref": {f.key("form")}, "cf-turnstile-response": {f.solve()},
	}.Encode(), asForm, "Accept: text/html")
	trapped := f.signUp(f.address("trapped"), "trapped")
	f.send(v, http.StatusAccepted, http.MethodPost, subscribePath,
		strings.Replace(trapped, `"locale":"de"`, `"website":"`+f.address("honeypot")+`"`, 1), asJSON)
	f.send(v, http.StatusAccepted, http.MethodPost, subscribePath, f.signUp("cnry.idn@exämple.org", "IDN"), asJSON)
	f.plant("address of IDN", canary.Address, "cnry.idn@xn--exmple-cua.org")

	for i, wanted := range []string{"export", "erase"} {
		f.send(v, http.StatusAccepted, http.MethodPost, privacyPath, `{"email":"`+jane+`","request":"`+wanted+`"}`, asJSON)
		f.deliver(f.t)
		link := f.mailed("to "+wanted, v.mail(f.t, jane, 2+i).link(f.t, privacyPath))
		f.send(v, http.StatusOK, http.MethodGet, link, "", "Accept: text/html")
		if wanted == "export" {
			if got := f.send(v, http.StatusOK, http.MethodPost, link, "", "Accept: application/json"); !strings.Contains(got.Body, jane) {
				f.t.Error("the copy of Jane's data lacks her address, so it was not scanned")
			}
			f.send(v, http.StatusAccepted, http.MethodPost, unsubscribePath, `{"email":"`+jane+`"}`, asJSON)
			f.send(v, http.StatusOK, http.MethodPost, leave, "List-Unsubscribe=One-Click", asForm)
			f.deliver(f.t)
			f.exec(f.t, "update email_log set at = at - interval '25 hours'") // the budget of links
			continue
		}
		f.send(v, http.StatusUnprocessableEntity, http.MethodPost, link, "email="+url.QueryEscape(f.address("mistyped")), asForm, "Accept: text/html")
		f.send(v, http.StatusOK, http.MethodPost, link, "email="+url.QueryEscape(jane), asForm, "Accept: text/html")
	}
	for _, path := range []string{healthPath, healthPath + "/live", unsubscribePath, privacyPath} {
		f.send(v, http.StatusOK, http.MethodGet, path, "", "Accept: text/html, application/json;q=0.5")
	}
	f.everySchedule()
}

// everySchedule invokes the scheduled functions.
func (f *flight) everySchedule() {
	f.exec(f.t, "update outbox set due_at = now() where state = 'ready'")
	for _, function := range []string{"deliver", "health", "maintain", "deliver"} {
		f.invoke(function, `{"scheduled":true}`)
	}
}

// badInput sends invalid requests with planted values.
func (f *flight) badInput() {
	v := f.visitor("Mallory", "127.66.2.2")
	a, k, l := f.address("mallory"), f.key("bad input"), f.link("bad input")
	for _, path := range []string{subscribePath, unsubscribePath, privacyPath} {
		for _, body := range []string{
			a, `{"email":"` + a, `{"email":"` + a + `"}{"` + k + `":1}`, `{"email":"` + a + `","email":"` + a + `"}`, `["` + a + `"]`,
			`{"` + a + `":1}`, `{"` + k + `":1}`, `{"` + l + `":1}`, `{"source":{"` + a + `":1}}`, `{"` + a + `\u0000":1}`, `{"` + a + `":1,"` + a + `":2}`,
			`{"email":{"` + a + `":"` + k + `"}}`, `{"email":["` + a + `"]}`, `{"email":"<` + a + `>"}`, `{"email":"` + a + `\r\nBcc: ` + a + `"}`,
			`{"email":"` + l + `"}`, `{"email":"` + a + `","locale":"` + a + `"}`, `{"email":"` + a + `","captcha_token":"` + k + `"}`,
			`{"email":"` + a + `","started_at":{"` + a + `":1}}`, `{"email":"` + a + `","consent":{"text_version":"` + k + `"}}`,
			`{"email":"` + a + `","consent":"` + a + `"}`, `{"email":"` + a + `","request":"` + l + `"}`,
		} {
			f.bad(v, http.MethodPost, path, body, asJSON)
		}
		for _, body := range []string{
			"email=" + a + "&email=x" + a, url.QueryEscape(a) + "=%00", k + "=%00", "email=%zz@" + a, "email=" + l + "&request=" + k, a,
		} {
			f.bad(v, http.MethodPost, path, body, asForm, "Accept: text/html")
			f.bad(v, http.MethodPost, path, body, asForm, "Accept: application/json")
		}
		f.bad(v, http.MethodPost, path, "--"+k+"\r\nContent-Disposition: form-data; name=\""+a+"\"; filename=\""+a+"\"\r\n\r\nx\r\n--"+k+"--",
			"Content-Type: multipart/form-data; boundary="+k)
		f.bad(v, http.MethodPost, path, a, "Content-Type: text/"+k)
		f.bad(v, strings.ReplaceAll(a, "@", "%40"), path, "")
	}
	for _, path := range []string{confirmPath, unsubscribePath, privacyPath} {
		for _, query := range []string{"?token=" + l, "?token=" + a, "?token=" + k, "?token=" + l + "&token=" + l, "?token=%zz" + l, "?" + a + "&token=" + l[:90]} {
			for _, accept := range []string{"Accept: text/html", "Accept: application/json"} {
				f.bad(v, http.MethodGet, path+query, "", accept)
				f.bad(v, http.MethodPost, path+query, "action="+a+"&email="+a, asForm, accept)
			}
		}
		f.bad(v, http.MethodGet, path+"/"+l, "")
		f.bad(v, http.MethodGet, path+"/"+url.PathEscape(a), "")
	}
}

// bad makes a request that must be answered with 4xx.
func (f *flight) bad(v *visitor, method, path, body string, fields ...string) {
	f.t.Helper()
	got, err := v.try(method, path, body, append(f.luggage(), fields...)...)
	if err != nil || got.Status < 400 || got.Status > 499 {
		f.t.Errorf("%s %.60s %.60q: %d %.300s, %v; want 4xx", method, path, body, got.Status, got.Body, err)
	}
}

// directly invokes every function with unexpected events, and some with expected ones.
func (f *flight) directly() {
	a, k, l := f.address("event"), f.key("event"), f.link("event")
	for _, function := range []string{"subscribe", "confirm", "unsubscribe", "privacy", "health", "deliver", "engagement", "maintain", "operate", "migrate"} {
		for _, event := range []string{
			a, `"` + a + `"`, `{"command":"` + a + `"}`, `{"command":"` + k + `"}`, `{"` + a + `":"` + k + `"}`, `{"detail-type":"` + a + `","source":"` + l + `"}`,
			`{"scheduled":"` + a + `"}`, `{"requestContext":{"http":{"method":"` + l + `","sourceIp":"` + a + `"},"timeEpoch":"` + a + `"}}`,
			`{"requestContext":{"http":{"method":"GET"},"requestId":"x"},"rawPath":"/` + l + `","body":"` + a + `","isBase64Encoded":true}`,
			`{"Records":[{"eventSource":"` + a + `","body":"` + a + `"}]}`, `{"Records":[{"eventSource":"aws:sqs","messageId":"1","body":"` + a + `"}]}`,
			`{"Records":[{"eventSource":"aws:sqs","messageId":"1","body":"{\"subscriber_id\":\"` + a + `\"}"}]}`,
			`{"Records":[{"eventSource":"aws:sqs","messageId":"1","body":"{\"Type\":\"Notification\",\"MessageId\":\"` + a + `\",\"Message\":\"` + a + `\"}"}]}`,
		} {
			f.invoke(function, event)
		}
	}
	for _, command := range []string{"suppression add", "privacy export", "consent proof", "hold release", "destination pause"} {
		f.invoke("operate", `{"command":"`+command+`","request":{"email":"`+a+`","ids":["`+l+`"],"destination":"`+k+`"}}`)
		f.invoke("operate", `{"command":"`+command+`","request":{"email":"`+a+`"}}`)
	}
	f.invoke("migrate", `{"RequestType":"`+a+`","ResponseURL":"https://jane:`+k+`@127.0.0.1:1/`+l+`?X-Amz-Signature=`+k+`"}`)
	for _, sample := range []string{"subscribe/json-ipv6", "unsubscribe/address", "privacy/erase-json"} {
		content, err := os.ReadFile(filepath.Join(root, "events", filepath.FromSlash(sample)+".json"))
		if err != nil {
			f.t.Fatal(err)
		}
		var event map[string]any
		if err := json.Unmarshal(content, &event); err != nil {
			f.t.Fatal(err)
		}
		client := f.network("an event", "2001:db8:66:1:a:b:c:d")
		event["requestContext"].(map[string]any)["http"].(map[string]any)["sourceIp"] = client
		event["body"] = f.signUp(f.address("IPv6"), "IPv6")
		if sample != "subscribe/json-ipv6" {
			event["body"] = `{"email":"` + f.address("IPv6") + `"}`
		}
		payload, err := json.Marshal(event)
		if err != nil {
			f.t.Fatal(err)
		}
		f.invoke(strings.Split(sample, "/")[0], string(payload))
	}
	f.feedback()
}

// feedback sends events about sent emails, as SES does.
func (f *flight) feedback() {
	for i, m := range f.Fakes.SES.Emails() {
		a := f.address("feedback")
		message, err := json.Marshal(map[string]any{
			"eventType": []string{"Bounce", "Complaint", "Reject", "Click"}[i%4],
			"mail":      map[string]any{"timestamp": m.At, "destination": []string{m.To}, "tags": map[string][]string{"delivery": {m.Tags["delivery"]}}},
			"bounce": map[string]any{"bounceType": "Transient", "bounceSubType": a, "timestamp": m.At,
				"bouncedRecipients": []map[string]string{{"emailAddress": m.To, "diagnosticCode": "smtp; 550 <" + m.To + "> unknown"}}},
			"complaint": map[string]any{"complaintFeedbackType": a, "timestamp": m.At, "userAgent": a},
			"reject":    map[string]any{"reason": "Bad content of " + a}, "click": map[string]any{"timestamp": m.At, "ipAddress": "203.0.113.77", "link": m.Links[0]},
		})
		if err != nil {
			f.t.Fatal(err)
		}
		body, err := json.Marshal(map[string]any{"Type": "Notification", "MessageId": "1", "Message": string(message)})
		if err != nil {
			f.t.Fatal(err)
		}
		event, err := json.Marshal(map[string]any{"Records": []map[string]any{{"eventSource": "aws:sqs", "messageId": "1", "body": string(body)}}})
		if err != nil {
			f.t.Fatal(err)
		}
		f.invoke("engagement", string(event))
	}
}

// invoke sends an event to a function and records the result for the scan.
func (f *flight) invoke(function, event string) {
	f.t.Helper()
	result, err := f.Lambda.Invoke(f.t.Context(), function, []byte(event))
	if err != nil {
		f.t.Fatal(err)
	}
	canary.Record(canary.Result, fmt.Sprintf("%s %s", function, result.FunctionError), string(result.Payload))
}
