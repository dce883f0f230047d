package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"newsletter/internal/openapicheck"
)

// answer is a whole HTTP answer.
type answer struct {
	Status int
	Header http.Header
	Body   string

	response *http.Response // its body can be read again
}

// visitor is a client with a network address of its own: the whole of 127.0.0.0/8 is this machine.
type visitor struct {
	base   string
	client *http.Client
}

// newVisitor makes a client of the stack at base whose connections come from ip, e.g. "127.3.4.5".
func newVisitor(base, ip string) *visitor {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	return &visitor{base: base, client: &http.Client{
		Timeout:       40 * time.Second, // above the gateway's own 30 s
		Transport:     &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: 4},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// send makes one request. Fields are "name: value" headers.
func (v *visitor) send(t testing.TB, method, path, body string, fields ...string) answer {
	t.Helper()
	got, err := v.try(method, path, body, fields...)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	if strings.Contains(path, "/api/") && got.response.Header.Get("Apigw-Requestid") != "" { // the gateway's own answers are not ours
		openapicheck.Check(t, got.response.Request, got.response)
	}
	return got
}

func (v *visitor) try(method, path, body string, fields ...string) (answer, error) {
	request, err := http.NewRequest(method, v.base+path, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for _, field := range fields {
		name, value, _ := strings.Cut(field, ": ")
		request.Header.Set(name, value)
	}
	response, err := v.client.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	response.Body = io.NopCloser(bytes.NewReader(content))
	return answer{response.StatusCode, response.Header, string(content), response}, err
}

const (
	subscribePath   = "/api/newsletter/subscribe"
	confirmPath     = "/api/newsletter/confirm"
	unsubscribePath = "/api/newsletter/unsubscribe"
	healthPath      = "/api/health"
	privacyPath     = "/api/newsletter/privacy"

	asJSON = "Content-Type: application/json"
	asForm = "Content-Type: application/x-www-form-urlencoded"
)

// subscribe signs an address up and expects 202.
func (v *visitor) subscribe(t testing.TB, address string) answer {
	t.Helper()
	body, _ := json.Marshal(map[string]any{"email": address})
	got := v.send(t, http.MethodPost, subscribePath, string(body), asJSON)
	if got.Status != http.StatusAccepted {
		t.Fatalf("subscribe: %d %s", got.Status, got.Body)
	}
	return got
}

// letter is a mail as the local inbox lists it.
type letter struct {
	To      string            `json:"to"`
	Subject string            `json:"subject"`
	Text    string            `json:"text"`
	Links   []string          `json:"links"`
	Headers map[string]string `json:"headers"`
}

// link is the first link of a mail whose path contains part, as path and query.
func (l letter) link(t testing.TB, part string) string {
	t.Helper()
	for _, link := range l.Links {
		if u, err := url.Parse(link); err == nil && strings.Contains(u.Path, part) {
			return u.RequestURI()
		}
	}
	t.Fatalf("mail %q has no link to %s: %v", l.Subject, part, l.Links)
	return ""
}

// inbox lists the mails to an address, newest first.
func (v *visitor) inbox(t testing.TB, address string) []letter {
	t.Helper()
	got := v.send(t, http.MethodGet, "/_local/inbox", "", "Accept: application/json")
	var all []letter
	if err := json.Unmarshal([]byte(got.Body), &all); err != nil {
		t.Fatalf("inbox: %v: %s", err, got.Body)
	}
	var mine []letter
	for _, l := range all {
		if strings.EqualFold(l.To, address) {
			mine = append(mine, l)
		}
	}
	return mine
}

// mail waits for the n-th mail to an address and returns the newest.
func (v *visitor) mail(t testing.TB, address string, n int) letter {
	t.Helper()
	var mails []letter
	eventually(t, fmt.Sprintf("mail %d to the address", n), func() bool {
		mails = v.inbox(t, address)
		return len(mails) >= n
	})
	if len(mails) != n {
		t.Fatalf("%d mails, want %d", len(mails), n)
	}
	return mails[0]
}

// eventually polls until done holds. The limit is far above what any machine needs; a test that reaches it has failed.
func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	for !done() {
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain for %s", what)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// multipartOneClick is the body that RFC 8058 recommends, and its content type.
func multipartOneClick() (body, contentType string) {
	var b bytes.Buffer
	const boundary = "one-click-boundary"
	fmt.Fprintf(&b, "--%s\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--%s--\r\n", boundary, boundary)
	return b.String(), "Content-Type: multipart/form-data; boundary=" + boundary
}
