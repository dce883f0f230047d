package e2e

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"newsletter/internal/local/devstack"
)

// TestBadInputIsRefusedAndWritesNothing checks that no request causes a 5xx and that every malformed request gets a
// problem that names its mistake, without a write.
func TestBadInputIsRefusedAndWritesNothing(t *testing.T) {
	t.Parallel()
	s := start(t, devstack.Options{Variables: generous, NoSchedules: true})
	v := newVisitor(s.base, "127.60.1.1")
	long := strings.Repeat("a", 5000)
	for name, test := range map[string]struct {
		path, body, contentType string
		status                  int
		pointer                 string
	}{
		"no body":           {subscribePath, "", asJSON, 400, ""},
		"not JSON":          {subscribePath, "email=jane", asJSON, 400, ""},
		"not an object":     {subscribePath, `["a@example.org"]`, asJSON, 400, ""},
		"null":              {subscribePath, `null`, asJSON, 400, ""},
		"two values":        {subscribePath, `{"email":"a@example.org"}{}`, asJSON, 400, ""},
		"duplicate name":    {subscribePath, `{"email":"a@example.org","email":"b@example.org"}`, asJSON, 400, "#/email"},
		"case variant":      {subscribePath, `{"Email":"a@example.org"}`, asJSON, 422, "#/Email"},
		"unknown member":    {subscribePath, `{"email":"a@example.org","admin":true}`, asJSON, 422, "#/admin"},
		"wrong type":        {subscribePath, `{"email":5}`, asJSON, 422, "#/email"},
		"invalid UTF-8":     {subscribePath, "{\"email\":\"a\xff@example.org\"}", asJSON, 400, ""},
		"lone surrogate":    {subscribePath, `{"email":"\ud800@example.org"}`, asJSON, 422, "#/email"},
		"NUL":               {subscribePath, `{"email":"a\u0000@example.org"}`, asJSON, 422, "#/email"},
		"too deep":          {subscribePath, `{"source":` + strings.Repeat(`{"a":`, 20) + `1` + strings.Repeat(`}`, 21), asJSON, 400, ""},
		"too large":         {subscribePath, `{"email":"` + strings.Repeat("a", 70000) + `"}`, asJSON, 413, ""},
		"text":              {subscribePath, `{"email":"a@example.org"}`, "Content-Type: text/plain", 415, ""},
		"no type":           {subscribePath, `{"email":"a@example.org"}`, "Accept: */*", 415, ""},
		"no address":        {subscribePath, `{}`, asJSON, 422, "#/email"},
		"not an address":    {subscribePath, `{"email":"jane"}`, asJSON, 422, "#/email"},
		"header injection":  {subscribePath, `{"email":"a@example.org\r\nBcc: b@example.org"}`, asJSON, 422, "#/email"},
		"consent refused":   {subscribePath, `{"email":"a@example.org","consent":{"granted":false}}`, asJSON, 422, "#/consent/granted"},
		"text for a list":   {subscribePath, `{"email":"a@example.org","source":"blog"}`, asJSON, 422, "#/source"},
		"number for a text": {subscribePath, `{"email":"a@example.org","locale":5}`, asJSON, 422, "#/locale"},
		"two addresses":     {subscribePath, "email=a%40example.org&email=b%40example.org", asForm, 422, "#/email"},
		"form bad escape":   {subscribePath, "email=%zz", asForm, 422, "#/email"},
		"form bad address":  {subscribePath, "email=jane", asForm, 422, "#/email"},
		"broken multipart":  {subscribePath, "--x\r\nnonsense", "Content-Type: multipart/form-data; boundary=x", 400, ""},
		"no boundary":       {subscribePath, "x", "Content-Type: multipart/form-data", 400, ""},
		"no token":          {confirmPath, "", asForm, 404, ""},
		"bad token":         {confirmPath + "?token=nonsense", "", asForm, 404, ""},
		"two tokens":        {confirmPath + "?token=a&token=b", "", asForm, 404, ""},
		"unsubscribe token": {unsubscribePath + "?token=" + long[:900], "", asForm, 404, ""},
		"empty token":       {unsubscribePath + "?token=", "List-Unsubscribe=One-Click", asForm, 404, ""},
		"token with NUL":    {unsubscribePath + "?token=%00", "", asForm, 404, ""},
		"link, no address":  {unsubscribePath, `{}`, asJSON, 422, "#/email"},
		"bad query":         {confirmPath + "?%zz&token=%zz", "", asForm, 404, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := v.send(t, http.MethodPost, test.path, test.body, test.contentType, "Accept: application/json")
			if got.Status != test.status || got.Header.Get("Content-Type") != "application/problem+json; charset=utf-8" {
				t.Fatalf("got %d %s %s, want %d", got.Status, got.Header.Get("Content-Type"), got.Body, test.status)
			}
			var problem struct {
				Type, Title string
				Status      int
				RequestID   string `json:"request_id"`
				Errors      []struct{ Detail, Pointer string }
			}
			if err := json.Unmarshal([]byte(got.Body), &problem); err != nil || problem.Status != test.status || problem.RequestID == "" {
				t.Fatalf("problem %s: %v", got.Body, err)
			}
			if test.pointer != "" && (len(problem.Errors) == 0 || problem.Errors[0].Pointer != test.pointer) {
				t.Errorf("problem %s does not point at %s", got.Body, test.pointer)
			}
		})
	}
	for _, path := range []string{subscribePath, confirmPath, unsubscribePath, healthPath} {
		for _, method := range []string{http.MethodPut, http.MethodDelete, "PROPFIND", http.MethodPatch} {
			if got := v.send(t, method, path, ""); got.Status != http.StatusMethodNotAllowed || got.Header.Get("Allow") == "" {
				t.Errorf("%s %s: %d", method, path, got.Status)
			}
		}
	}
	for _, table := range []string{"subscribers", "ledger_events", "outbox", "email_log", "identities", "event_context"} {
		if n := s.count(t, table); n != 0 {
			t.Errorf("%d rows in %s", n, table)
		}
	}
}
