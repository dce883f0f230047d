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

	"newsletter/internal/fixtures/openapicheck"
)

// An answer is a complete HTTP response.
type answer struct {
	Status int
	Header http.Header
	Body   string

	response *http.Response // with a body that can be read again
}

// A visitor is a client with its own network address. All of 127.0.0.0/8 is local.
type visitor struct {
	base   string
	client *http.Client
}

// newVisitor returns a client of the stack at base whose connections come from ip, such as "127.3.4.5".
func newVisitor(base, ip string) *visitor {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	return &visitor{base: base, client: &http.Client{
		Timeout:       40 * time.Second, // above the gateway's 30 s
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
	if strings.Contains(path, "/api/") && got.response.Header.Get("Apigw-Requestid") != "" { // the gateway's own responses are not documented
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

	agree = "agree=yes" // the ticked box of the confirmation page
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

// A letter is an email in the format of the local inbox.
type letter struct {
	To      string            `json:"to"`
	Subject string            `json:"subject"`
	Text    string            `json:"text"`
	Links   []string          `json:"links"`
	Headers map[string]string `json:"headers"`
}

// link returns path and query of the email's first link whose path contains part.
func (l letter) link(t testing.TB, part string) string {
	t.Helper()
	for _, link := range l.Links {
		if u, err := url.Parse(link); err == nil && strings.Contains(u.Path, part) {
			return u.RequestURI()
		}
	}
	t.Fatalf("email %q has no link to %s: %v", l.Subject, part, l.Links)
	return ""
}

// inbox returns the emails to an address, newest first.
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

// mail waits for the n-th email to an address and returns the newest.
func (v *visitor) mail(t testing.TB, address string, n int) letter {
	t.Helper()
	var emails []letter
	eventually(t, fmt.Sprintf("email %d to the address", n), func() bool {
		emails = v.inbox(t, address)
		return len(emails) >= n
	})
	if len(emails) != n {
		t.Fatalf("%d emails, want %d", len(emails), n)
	}
	return emails[0]
}

// eventually polls until done returns true. The time limit is far above what any machine needs.
func eventually(t testing.TB, what string, done func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	defer cancel()
	for !done() {
		select {
		case <-ctx.Done():
			t.Fatalf("timed out waiting for %s", what)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// multipartOneClick returns the body that RFC 8058 recommends, and its content type.
func multipartOneClick() (body, contentType string) {
	var b bytes.Buffer
	const boundary = "one-click-boundary"
	fmt.Fprintf(&b, "--%s\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--%s--\r\n", boundary, boundary)
	return b.String(), "Content-Type: multipart/form-data; boundary=" + boundary
}
