package lambdalocal

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
)

// send returns the answer that a client gets for a payload.
func send(t *testing.T, method, payload string) (*http.Response, string) {
	t.Helper()
	s := &Server{logs: &lockedWriter{}}
	w := httptest.NewRecorder()
	s.answer(w, httptest.NewRequest(method, "/", nil), "f", []byte(payload))
	return w.Result(), w.Body.String()
}

// What AWS does with payloads that are no full answers was observed by others on AWS; its documentation says less.
func TestPayloadsBecomeAnswers(t *testing.T) {
	const own = `{"message":"Internal Server Error"}`
	for payload, want := range map[string]struct {
		status     int
		kind, body string
	}{
		`{"statusCode":200,"body":"hi"}`:                                         {200, "text/plain; charset=utf-8", "hi"},
		`{"statusCode":404,"headers":{"content-type":"text/html"},"body":"<p>"}`: {404, "text/html", "<p>"},
		`{"statusCode":201,"body":"aGk=","isBase64Encoded":true}`:                {201, "text/plain; charset=utf-8", "hi"},
		`{"statusCode":204}`:                                              {204, "", ""},
		`{"statusCode":204,"body":"none may be sent"}`:                    {204, "text/plain; charset=utf-8", ""},
		`{"statusCode":200,"multiValueHeaders":{"X":["1"]},"unknown":[]}`: {200, "", ""},
		`{"statusCode":200,"body":"aGk","isBase64Encoded":true}`:          {500, "application/json", own},
		`{"statusCode":200,"body":{"a":1}}`:                               {500, "application/json", own},
		`{"statusCode":200.5,"body":"Hello"}`:                             {500, "application/json", own},
		`{"statusCode":"200"}`:                                            {500, "application/json", own},
		`{"statusCode":0}`:                                                {500, "application/json", own},
		`{"statusCode":null}`:                                             {500, "application/json", own},
		`{"statusCode":100}`:                                              {500, "application/json", own},
		`{"statusCode":600}`:                                              {500, "application/json", own},
		`{"statusCode":200,"headers":{"X-A":"1\r\nX-B: 2"}}`:              {500, "application/json", own},
		`{"statusCode":200,"headers":{"X A":"1"}}`:                        {500, "application/json", own},
		`{"statusCode":200,"cookies":["a=1\r\nX-B: 2"]}`:                  {500, "application/json", own},
		`{"name": "John Doe", "age": 30}`:                                 {200, "application/json", `{"name": "John Doe", "age": 30}`},
		`{"name": "John Doe", "age":`:                                     {200, "application/json", `{"name": "John Doe", "age":`},
		`[1, 2, 3]`:                                                       {200, "application/json", `[1, 2, 3]`},
		`Hello, World!`:                                                   {200, "application/json", `Hello, World!`},
		`42`:                                                              {200, "application/json", `42`},
		`null`:                                                            {200, "application/json", `null`},
		`"test"`:                                                          {200, "application/json", `test`},
		`"Special \"quoted\" text"`:                                       {200, "application/json", `Special "quoted" text`},
		`""`:                                                              {200, "application/json", ``},
	} {
		response, body := send(t, http.MethodGet, payload)
		if response.StatusCode != want.status || response.Header.Get("Content-Type") != want.kind || body != want.body {
			t.Errorf("%s: %d %q %q", payload, response.StatusCode, response.Header.Get("Content-Type"), body)
		}
		if response.Header.Get("X-B") != "" {
			t.Errorf("%s: a header was smuggled in", payload)
		}
	}
}

func TestHeadersAndCookiesOfAnAnswer(t *testing.T) {
	const payload = `{"statusCode":200,"headers":{"x-one":"1","Content-Length":"99","Connection":"close","Transfer-Encoding":"chunked"},
		"cookies":["a=1; Path=/","b=2"],"body":"twelve bytes"}`
	for _, method := range []string{http.MethodGet, http.MethodHead} {
		response, body := send(t, method, payload)
		h := response.Header
		if h.Get("X-One") != "1" || h.Get("Content-Length") != "12" || h.Get("Connection") != "" || h.Get("Transfer-Encoding") != "" ||
			!slices.Equal(h.Values("Set-Cookie"), []string{"a=1; Path=/", "b=2"}) {
			t.Errorf("%s: %v", method, h)
		}
		if want := map[string]string{http.MethodGet: "twelve bytes"}[method]; body != want {
			t.Errorf("%s: %q", method, body)
		}
	}
	if response, _ := send(t, http.MethodHead, `{"statusCode":200}`); response.Header.Get("Content-Length") != "" {
		t.Error("Content-Length for a body of unknown length")
	}
	if response, _ := send(t, http.MethodGet, `{"statusCode":200}`); response.Header.Get("Content-Length") != "0" {
		t.Error("an empty body has a length")
	}
}

// FuzzAnswer: no payload makes the gateway panic or send what HTTP forbids, and a well-formed one arrives as it was
// meant.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"statusCode":200,"headers":{"a":"b"},"cookies":["c"],"body":"aGk=","isBase64Encoded":true}`), 200, "X-A", "value", []byte("body"))
	f.Add([]byte(`"text"`), 99, "", "\r\n", []byte{0xff})
	f.Fuzz(func(t *testing.T, payload []byte, status int, name, value string, body []byte) {
		if a, err := readAnswer(payload); err == nil {
			checkSendable(t, a)
		}
		meant := events.APIGatewayV2HTTPResponse{StatusCode: status, Headers: map[string]string{name: value},
			Body: base64.StdEncoding.EncodeToString(body), IsBase64Encoded: true}
		encoded, err := json.Marshal(meant)
		if err != nil {
			t.Fatal(err)
		}
		got, err := readAnswer(encoded)
		if err != nil {
			return
		}
		checkSendable(t, got)
		if got.status != status || string(got.body) != string(body) {
			t.Errorf("%s became %d %q", encoded, got.status, got.body)
		}
		if kept := got.header.Get(name); kept != string([]rune(value)) && // as JSON can say it
			!slices.Contains(append(hopByHop, "content-length"), strings.ToLower(name)) {
			t.Errorf("header %q: %q became %q", name, value, kept)
		}
	})
}

func checkSendable(t *testing.T, a answer) {
	t.Helper()
	if a.status < 200 || a.status > 599 {
		t.Errorf("status %d", a.status)
	}
	for name, values := range a.header {
		if strings.ContainsAny(name+strings.Join(values, ""), "\r\n\x00") {
			t.Errorf("header %q: %q", name, values)
		}
	}
}
