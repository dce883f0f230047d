package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestKey checks keys on the local system: created by the tool, used by a server, and revoked for the next request.
func TestKey(t *testing.T) {
	t.Parallel()
	path, dir := tool(t), t.TempDir()
	dev := startDev(t, path, dir)
	c := console{t, path, dir}
	send := func(method, route, key, body string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, dev.url+route, bytes.NewReader([]byte(body)))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+key)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = answer.Body.Close() }()
		text, _ := io.ReadAll(answer.Body)
		return answer.StatusCode, string(text)
	}
	_, printed := c.run("", "key", "create", "--label", "website", "--scope", "signup,suppressions", "--scope", "read")
	text := strings.TrimSpace(printed)
	const signUp = `{"email":"jane@example.org","visitor":{"address":"203.0.113.7"}}`
	if status, answer := send(http.MethodPost, "/api/newsletter/subscribe", text, signUp); status != http.StatusAccepted {
		t.Errorf("sign-up: %d %s", status, answer)
	}
	if status, answer := send(http.MethodPost, "/api/newsletter/suppressions", text, `{"email":"joe@example.org","reason":"unsubscribed"}`); status != http.StatusOK {
		t.Errorf("report: %d %s", status, answer)
	}
	id := query(t, dir, `select id::text from subscribers where email_norm = 'jane@example.org'`)
	if status, answer := send(http.MethodGet, "/api/newsletter/subscribers/"+id, text, ""); status != http.StatusOK || !strings.Contains(answer, `"email":"jane@example.org"`) {
		t.Errorf("look-up: %d %s", status, answer)
	}
	_, rows := c.run("", "key", "list", "--json")
	var listed []struct{ ID, Label string }
	if err := json.Unmarshal([]byte(rows), &listed); err != nil || len(listed) != 1 || listed[0].Label != "website" {
		t.Fatalf("listed %v, %v", listed, err)
	}
	c.expect(0, "revoked", "", "key", "revoke", listed[0].ID)
	c.expect(0, "was revoked before", "", "key", "revoke", listed[0].ID)
	if status, answer := send(http.MethodPost, "/api/newsletter/subscribe", text, signUp); status != http.StatusUnauthorized || !strings.Contains(answer, "invalid-key") {
		t.Errorf("after the revocation: %d %s", status, answer)
	}
	c.refuse("takes --label and --scope", "key", "create", "--label", "website")
	c.refuse("known: signup,suppressions,read", "key", "create", "--label", "website", "--scope", "all")
}
