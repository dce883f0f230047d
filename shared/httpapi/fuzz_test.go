package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
	jsonv2 "github.com/go-json-experiment/json"
)

// FuzzDecodeJSON compares DecodeJSON with the standard library.
func FuzzDecodeJSON(f *testing.F) {
	f.Add([]byte(`{"email":"jane@example.org","consent":{"granted":true,"text_version":"1"},"tags":["a"],"count":1}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		r := &Request{Header: http.Header{"Content-Type": {"application/json"}}, text: string(body)}
		in, err := DecodeJSON[input](r)
		if err != nil {
			checkRefusal(t, err, http.StatusBadRequest, http.StatusUnprocessableEntity)
			return
		}
		if !json.Valid(body) || !utf8.Valid(body) || bytes.TrimLeft(body, " \t\r\n")[0] != '{' {
			t.Fatalf("accepted %q", body)
		}
		for _, text := range append(in.Tags, in.Email) {
			if !utf8.ValidString(text) {
				t.Fatalf("accepted %q of %q", text, body)
			}
		}
		in.At = Moment{} // it is only read
		again, err := jsonv2.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		if second, err := DecodeJSON[input](&Request{Header: r.Header, text: string(again)}); err != nil || second.Email != in.Email {
			t.Fatalf("%q became %q: %v", body, again, err)
		}
	})
}

// FuzzForm parses any body with any content type.
func FuzzForm(f *testing.F) {
	f.Add("application/x-www-form-urlencoded", []byte("email=jane%40example.org&website="))
	f.Add("multipart/form-data; boundary=b", []byte("--b\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\nOne-Click\r\n--b--\r\n"))
	f.Fuzz(func(t *testing.T, contentType string, body []byte) {
		r := &Request{Header: http.Header{"Content-Type": {contentType}}, text: string(body)}
		fields, err := Form(r, "email")
		if err != nil {
			checkRefusal(t, err, http.StatusBadRequest, http.StatusUnsupportedMediaType)
			if strings.HasPrefix(contentType, "application/x-www-form-urlencoded") {
				t.Fatalf("refused the form %q", body)
			}
			return
		}
		if len(fields) > 1 || len(fields) == 1 && !fields.Has("email") {
			t.Fatalf("read %v", fields)
		}
		if browsers, err := url.ParseQuery(string(body)); err == nil && strings.HasPrefix(contentType, "application/x-www-form-urlencoded") &&
			!slices.Equal(browsers["email"], fields["email"]) {
			t.Fatalf("%q is %q, want %q", body, fields["email"], browsers["email"])
		}
	})
}

func checkRefusal(t *testing.T, err error, statuses ...int) {
	t.Helper()
	problem, ok := errors.AsType[*Problem](err)
	if !ok {
		t.Fatalf("refused with %T", err)
	}
	for _, status := range statuses {
		if problem.Status == status {
			return
		}
	}
	t.Fatalf("refused with %d", problem.Status)
}

// FuzzEvent sends any event, as the gateway's JSON, to routes of each kind, and checks that no response is a 5xx.
func FuzzEvent(f *testing.F) {
	for _, event := range []events.APIGatewayV2HTTPRequest{
		newEvent("GET", formPath), newEvent("OPTIONS", jsonPath), post(jsonPath, "application/json", `{"email":"x"}`),
		post(formPath, "application/x-www-form-urlencoded", "email=x"),
	} {
		raw, err := json.Marshal(event)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	api := newTestAPI()
	f.Fuzz(func(t *testing.T, raw []byte) {
		var event events.APIGatewayV2HTTPRequest
		if json.Unmarshal(raw, &event) != nil || strings.Contains(event.RawQueryString, "token=") && strings.Contains(event.RawPath, "fail") {
			return // the tokens of the failing route ask for a 5xx
		}
		got := api.Serve(t.Context(), event)
		if got.Response.StatusCode < 200 || got.Response.StatusCode >= 500 || got.Err != nil {
			t.Fatalf("answered %d: %v", got.Response.StatusCode, got.Err)
		}
		if got.Response.Headers["X-Content-Type-Options"] != "nosniff" || got.Response.Headers["Vary"] != "Origin" {
			t.Fatalf("headers %v", got.Response.Headers)
		}
		for name, value := range got.Response.Headers {
			if strings.ContainsAny(name+value, "\r\n\x00") {
				t.Fatalf("header %q: %q", name, value)
			}
		}
		if _, err := json.Marshal(got.Response); err != nil {
			t.Fatal(err)
		}
	})
}
