package devstack

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const wholeMail = `{"FromEmailAddress":"News <news@example.org>","Destination":{"ToAddresses":["jane@example.org"]},
"EmailTags":[{"Name":"delivery","Value":"0190"}],
"Content":{"Simple":{"Subject":{"Data":"Hello","Charset":"UTF-8"},
"Body":{"Text":{"Data":"See https://api.example.org/x","Charset":"UTF-8"},"Html":{"Data":"<p>x</p>","Charset":"UTF-8"}},
"Headers":[{"Name":"Auto-Submitted","Value":"auto-generated"}]}}}`

func TestTheFakeOfSESRefusesWhatSESRefuses(t *testing.T) {
	for name, change := range map[string][2]string{
		"whole":                {"", ""},
		"unknown member":       {`"EmailTags"`, `"EmailTag"`},
		"no sender":            {"News <news@example.org>", "News"},
		"no recipient":         {`["jane@example.org"]`, `[]`},
		"two recipients":       {`["jane@example.org"]`, `["jane@example.org","joe@example.org"]`},
		"named recipient":      {`["jane@example.org"]`, `["Jane <jane@example.org>"]`},
		"no subject":           {`"Hello"`, `""`},
		"subject of two lines": {`"Hello"`, `"Hello\r\nBcc: x@example.org"`},
		"other charset": {`"Charset":"UTF-8"}},
"Headers"`, `"Charset":"latin1"}},
"Headers"`},
		"header injection": {`"auto-generated"`, `"auto-generated\r\nBcc: x@example.org"`},
		"header name":      {`"Auto-Submitted"`, `"Auto Submitted"`},
		"tag":              {`"0190"`, `"01 90"`},
		"not JSON":         {`{"FromEmailAddress"`, `"FromEmailAddress"`},
	} {
		t.Run(name, func(t *testing.T) {
			double := &SES{now: time.Now}
			request := httptest.NewRequest(http.MethodPost, "/v2/email/outbound-emails", strings.NewReader(strings.Replace(wholeMail, change[0], change[1], 1)))
			request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=AKIDLOCAL/20260101/eu-central-1/ses/aws4_request, SignedHeaders=host, Signature=x")
			answer := httptest.NewRecorder()
			double.ServeHTTP(answer, request)
			taken := answer.Code == http.StatusOK && len(double.Emails()) == 1 && len(double.Problems()) == 0
			if taken != (name == "whole") {
				t.Errorf("%d %s", answer.Code, answer.Body)
			}
		})
	}
	t.Run("unsigned", func(t *testing.T) {
		double, answer := &SES{now: time.Now}, httptest.NewRecorder()
		double.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, "/", strings.NewReader(wholeMail)))
		if answer.Code != http.StatusBadRequest {
			t.Errorf("%d", answer.Code)
		}
	})
}

func TestTheFakeOfSentryTakesEnvelopesApart(t *testing.T) {
	for name, test := range map[string]struct {
		body   string
		status int
		events int
	}{
		"event":        {"{\"event_id\":\"x\"}\n{\"type\":\"event\",\"length\":7}\n{\"a\":1}\n", 200, 1},
		"two items":    {"{}\n{\"type\":\"event\",\"length\":2}\n{}\n{\"type\":\"event\"}\n{\"a\":1}\n", 200, 2},
		"another item": {"{}\n{\"type\":\"transaction\",\"length\":2}\n{}\n", 400, 0},
		"wrong length": {"{}\n{\"type\":\"event\",\"length\":3}\n{\"a\":1}\n", 400, 0},
		"cut off":      {"{}\n{\"type\":\"event\",\"length\":70}\n{\"a\":1}\n", 400, 0},
		"no header":    {"event\n", 400, 0},
	} {
		t.Run(name, func(t *testing.T) {
			double, answer := &Sentry{}, httptest.NewRecorder()
			request := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(test.body))
			request.Header.Set("X-Sentry-Auth", "Sentry sentry_version=7, sentry_key=local")
			double.ServeHTTP(answer, request)
			if answer.Code != test.status || len(double.Events()) != test.events {
				t.Errorf("%d, %d events, %v", answer.Code, len(double.Events()), double.Problems())
			}
		})
	}
}
