package httpapi

import (
	"net/http"
	"strings"
	"testing"
)

func TestJSONBodies(t *testing.T) {
	t.Parallel()
	nested := func(levels int) string {
		return `{"more":` + strings.Repeat(`{"a":`, levels-2) + `{}` + strings.Repeat(`}`, levels-2) + `}`
	}
	for name, tc := range map[string]struct {
		body    string
		status  int
		pointer string // of the one field error
		detail  string // of the problem or of the field error
	}{
		"whole": {`{"email":"jane@example.org","consent":{"granted":true,"text_version":"1"},"tags":["a"],"count":1,` +
			`"started_at":"2026-01-01T00:00:00Z"}`, 202, "", ""},
		"white space":         {" \r\n\t{ \"email\" : \"x\" }\n ", 202, "", ""},
		"null":                {`{"email":null,"consent":null}`, 202, "", ""},
		"empty":               {"", 400, "", "must be a JSON object"},
		"only space":          {"  ", 400, "", "must be a JSON object"},
		"list":                {`[{"email":"x"}]`, 400, "", "must be a JSON object"},
		"null itself":         {`null`, 400, "", "must be a JSON object"},
		"text":                {`"email"`, 400, "", "must be a JSON object"},
		"not JSON":            {`email=x`, 400, "#", "not valid JSON here"},
		"byte order mark":     {"\ufeff{}", 400, "#", "not valid JSON here"},
		"cut":                 {`{"email":"x`, 400, "#/email", "not valid JSON here"},
		"comma at the end":    {`{"email":"x",}`, 400, "#", "not valid JSON here"},
		"comment":             {`{"email":"x"/**/}`, 400, "#", "not valid JSON here"},
		"NaN":                 {`{"count":NaN}`, 400, "#/count", "not valid JSON here"},
		"two documents":       {`{"email":"x"}{"email":"y"}`, 400, "", "nothing after it"},
		"trailing text":       {`{"email":"x"} x`, 400, "", "nothing after it"},
		"duplicate":           {`{"email":"x","email":"y"}`, 400, "#/email", "twice"},
		"duplicate, escaped":  {`{"email":"x","\u0065mail":"y"}`, 400, "#/email", "twice"},
		"duplicate inside":    {`{"consent":{"granted":true,"granted":false}}`, 400, "#/consent/granted", "twice"},
		"invalid UTF-8":       {"{\"email\":\"\xff\"}", 400, "", "not valid UTF-8"},
		"lone surrogate":      {`{"email":"\ud800"}`, 202, "", ""},
		"NUL":                 {`{"email":"a\u0000b"}`, 202, "", ""},
		"NUL in a name":       {`{"a\u0000":1}`, 422, "#", "not repeated"},
		"raw NUL":             {"{\"email\":\"a\x00b\"}", 400, "#/email", "not valid JSON here"},
		"8 levels":            {nested(8), 202, "", ""},
		"9 levels":            {nested(9), 400, "", "8 levels"},
		"many levels":         {nested(2000), 400, "", "8 levels"},
		"case variant":        {`{"Email":"x"}`, 422, "#/Email", "not known"},
		"unknown":             {`{"email":"x","id":1}`, 422, "#/id", "not known"},
		"unknown inside":      {`{"consent":{"by":"me"}}`, 422, "#/consent/by", "not known"},
		"unknown, odd name":   {`{"a/b~c ü%":1}`, 422, "#", "not repeated"},
		"number for a string": {`{"email":5}`, 422, "#/email", "a string"},
		"string for a switch": {`{"consent":{"granted":"yes"}}`, 422, "#/consent/granted", "true or false"},
		"list for an object":  {`{"consent":[]}`, 422, "#/consent", "an object"},
		"object for a list":   {`{"tags":{}}`, 422, "#/tags", "an array"},
		"object in a list":    {`{"tags":["a",{}]}`, 422, "#/tags/1", "a string"},
		"text for a number":   {`{"count":"1"}`, 422, "#/count", "a number"},
		"huge number":         {`{"count":1e400}`, 422, "#/count", "a number"},
		"not a time":          {`{"started_at":"yesterday"}`, 202, "", ""},
		"a number of ms":      {`{"started_at":1795990000000}`, 202, "", ""},
		"no time at all":      {`{"started_at":{"at":1}}`, 422, "#/started_at", "a time such as"},
		"largest":             {`{"email":"` + strings.Repeat("x", maxBodyBytes-12) + `"}`, 202, "", ""},
		"too large":           {`{"email":"` + strings.Repeat("x", maxBodyBytes-11) + `"}`, 413, "", "64 KiB"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := newTestAPI().Serve(t.Context(), post(jsonPath, "application/json; charset=utf-8", tc.body))
			if got.Response.StatusCode != tc.status || got.Err != nil {
				t.Fatalf("status %d: %s, %v", got.Response.StatusCode, got.Response.Body, got.Err)
			}
			if tc.status == http.StatusAccepted {
				return
			}
			p := readProblem(t, got)
			detail := p.Detail
			if tc.pointer != "" {
				if len(p.Errors) != 1 || p.Errors[0].Pointer != tc.pointer {
					t.Fatalf("errors %+v", p.Errors)
				}
				detail = p.Errors[0].Detail
			}
			if !strings.Contains(detail, tc.detail) {
				t.Errorf("detail %q", detail)
			}
		})
	}
}

// TestProblemsRepeatNoForeignNames checks that a pointer contains only names that could be ours.
func TestProblemsRepeatNoForeignNames(t *testing.T) {
	t.Parallel()
	for body, pointer := range map[string]string{
		`{"` + strings.Repeat("ü", 4000) + `":1}`:           "#",
		`{"jane@example.org":1}`:                            "#",
		`{"192.0.2.7":1,"192.0.2.7":1}`:                     "#",
		`{"q7Xv0ZcK3mTf9sLwR2yBn8HdUeJ5gPaVbQ1oMiCtX4k":1}`: "#",
		`{"source":{"jane@example.org":1}}`:                 "#/source",
		`{"source":{"jane@example.org":{"a":1,"a":2}}}`:     "#/source",
		`{"admin":1}`:                 "#/admin",
		`{"cf-turnstile-response":1}`: "#/cf-turnstile-response",
	} {
		p := readProblem(t, newTestAPI().Serve(t.Context(), post(jsonPath, "application/json", body)))
		if len(p.Errors) != 1 || p.Errors[0].Pointer != pointer {
			t.Errorf("%.60s: %+v, want a pointer to %s", body, p.Errors, pointer)
		}
	}
}

func TestContentTypeOfJSON(t *testing.T) {
	t.Parallel()
	for contentType, want := range map[string]int{
		"application/json":                  202,
		"Application/JSON ;charset=UTF-8":   202,
		"":                                  415,
		"text/plain":                        415,
		"application/x-www-form-urlencoded": 415,
		"application/problem+json":          415,
		"application/json, text/plain":      415,
		"text/plain; application/json":      415,
	} {
		event := post(jsonPath, contentType, `{"email":"x"}`)
		event.Headers["accept"] = "application/json"
		got := newTestAPI().Serve(t.Context(), event)
		if got.Response.StatusCode != want {
			t.Errorf("%q: status %d, want %d", contentType, got.Response.StatusCode, want)
		}
		if want == 415 && !strings.Contains(readProblem(t, got).Detail, "application/json") {
			t.Errorf("%q: the problem does not name the accepted type", contentType)
		}
	}
}

func TestForms(t *testing.T) {
	t.Parallel()
	const urlencoded, multipart = "application/x-www-form-urlencoded", `multipart/form-data; boundary=b`
	part := func(name, value string) string {
		return "--b\r\nContent-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + value + "\r\n"
	}
	for name, tc := range map[string]struct {
		contentType, body string
		status            int
		shown             string
	}{
		"urlencoded":               {urlencoded, "email=jane%40example.org&x=1", 200, "jane@example.org"},
		"plus is a space":          {urlencoded, "email=a+b", 200, "a b"},
		"multipart":                {multipart, part("email", "jane@example.org") + "--b--\r\n", 200, "jane@example.org"},
		"one click, urlencoded":    {urlencoded, "List-Unsubscribe=One-Click", 200, ""},
		"one click, multipart":     {multipart, part("List-Unsubscribe", "One-Click") + "--b--\r\n", 200, ""},
		"empty":                    {urlencoded, "", 200, ""},
		"empty without a type":     {"", "", 200, ""},
		"empty JSON":               {"application/json", "", 200, ""},
		"repeated unknown":         {urlencoded, "x=1&x=2&email=j", 200, "j"},
		"markup":                   {urlencoded, "email=%3Cscript%3E", 200, "&lt;script&gt;"},
		"repeated known":           {urlencoded, "email=a&email=b", 200, "a|b"},
		"repeated known multipart": {multipart, part("email", "a") + part("email", "b") + "--b--\r\n", 200, "a|b"},
		"bad escape":               {urlencoded, "email=%zz%4", 200, "%zz%4"},
		"semicolons":               {urlencoded, "email=a;x=b", 200, "a;x=b"},
		"a name in escapes":        {urlencoded, "%65mail=a", 200, "a"},
		"NUL elsewhere":            {urlencoded, "a%00=1&x=%00&email=j", 200, "j"},
		"invalid UTF-8 elsewhere":  {urlencoded, "x=%ff&\xff=1&email=j", 200, "j"},
		"many fields":              {urlencoded, strings.Repeat("x=1&", 9000) + "email=j", 200, "j"},
		"many parts":               {multipart, strings.Repeat(part("a", "1"), 500) + part("email", "j") + "--b--\r\n", 200, "j"},
		"multipart, no boundary":   {"multipart/form-data", part("email", "x"), 400, "cannot be read"},
		"multipart, cut":           {multipart, part("email", "x"), 400, "cannot be read"},
		"multipart, no name":       {multipart, "--b\r\n\r\nx\r\n" + part("email", "j") + "--b--\r\n", 200, "j"},
		"multipart, bad type":      {"multipart/form-data; boundary", "x", 400, "cannot be read"},
		"file": {multipart, "--b\r\nContent-Disposition: form-data; name=\"email\"; filename=\"a.txt\"\r\n\r\nx\r\n" + part("email", "j") + "--b--\r\n", 200,
			"<p>j</p>"},
		"JSON":      {"application/json", `{"email":"x"}`, 415, "multipart/form-data"},
		"no type":   {"", "email=x", 415, "multipart/form-data"},
		"too large": {urlencoded, "email=" + strings.Repeat("x", maxBodyBytes), 413, "64 KiB"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			event := post(formPath, tc.contentType, tc.body)
			event.Headers["accept"] = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"
			got := newTestAPI().Serve(t.Context(), event)
			if got.Response.StatusCode != tc.status || !strings.Contains(got.Response.Body, tc.shown) {
				t.Fatalf("status %d: %s", got.Response.StatusCode, got.Response.Body)
			}
			if kind := got.Response.Headers["Content-Type"]; kind != "text/html; charset=utf-8" {
				t.Errorf("a browser got %s", kind)
			}
			checkPage(t, got.Response.Headers["Content-Security-Policy"], got.Response.Body)
		})
	}
}
