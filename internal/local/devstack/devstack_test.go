package devstack

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/internal/local/gobuild"
	"newsletter/internal/local/pgserver"
)

var root = filepath.Join("..", "..", "..")

var binaries = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "newsletter-devstack-")
	if err != nil {
		return "", err
	}
	return dir, gobuild.Functions(context.Background(), root, dir)
})

func TestMain(m *testing.M) {
	status := m.Run()
	if dir, err := binaries(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(status)
}

func start(t *testing.T, dir string) *Stack {
	t.Helper()
	if testing.Short() {
		t.Skip("a whole stack is left out with -short")
	}
	built, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	s, err := Start(t.Context(), Options{Root: root, Dir: dir, Binaries: built})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Stop(context.Background())
		_ = pgserver.Remove(filepath.Join(dir, "postgres")) // as root the data is elsewhere
	})
	return s
}

func do(t *testing.T, method, url, body string, fields ...string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, field := range fields {
		name, value, _ := strings.Cut(field, ": ")
		if name == "Host" {
			request.Host = value
		}
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(content)
}

// signUp signs an address up and waits for its mail.
func signUp(t *testing.T, s *Stack, address string) Email {
	t.Helper()
	status, body := do(t, http.MethodPost, s.BaseURL+"/api/newsletter/subscribe", `{"email":"`+address+`"}`, "Content-Type: application/json")
	if status != http.StatusAccepted {
		t.Fatalf("subscribe: %d %s", status, body)
	}
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		for _, mail := range s.Fakes.SES.Emails() {
			if mail.To == address {
				return mail
			}
		}
	}
	t.Fatal("no email arrived")
	return Email{}
}

func (s *Stack) subscribers(t *testing.T) int {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), s.Database.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var n int
	if err := conn.QueryRow(t.Context(), "select count(*) from subscribers").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestTwoStacksShareNothing(t *testing.T) {
	t.Parallel()
	one, two := start(t, t.TempDir()), start(t, t.TempDir())
	signUp(t, one, "one@example.org")
	if n := two.subscribers(t); n != 0 {
		t.Errorf("the other stack has %d subscribers", n)
	}
	if n := len(two.Fakes.SES.Emails()); n != 0 {
		t.Errorf("the other stack has %d mails", n)
	}
}

func TestAFolderIsForOneStackAndIsKept(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := start(t, dir)
	mail := signUp(t, s, "kept@example.org")
	if _, err := Start(t.Context(), Options{Root: root, Dir: dir}); err == nil || !strings.Contains(err.Error(), "LOCAL_DIR") {
		t.Errorf("a second stack on one folder: %v", err)
	}
	state, err := ReadState(dir)
	if err != nil || state.BaseURL != s.BaseURL || state.Functions["subscribe"].Variables["PEPPER"] == "" {
		t.Errorf("state %+v: %v", state, err)
	}
	s.Stop(t.Context())

	again := start(t, dir)
	if n := again.subscribers(t); n != 1 {
		t.Fatalf("%d subscribers after a restart, want 1", n)
	}
	link := strings.Replace(mail.Links[0], s.BaseURL, again.BaseURL, 1)
	if status, body := do(t, http.MethodPost, link, "agree=yes", "Content-Type: application/x-www-form-urlencoded"); status != http.StatusOK {
		t.Errorf("a link of before the restart: %d %s", status, body)
	}
}

func TestATakenPortIsNamed(t *testing.T) {
	t.Parallel()
	s := start(t, t.TempDir())
	var port int
	if _, err := fmt.Sscanf(s.BaseURL, "http://127.0.0.1:%d", &port); err != nil {
		t.Fatal(err)
	}
	built, err := binaries()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	t.Cleanup(func() { _ = pgserver.Remove(filepath.Join(dir, "postgres")) })
	if _, err := Start(t.Context(), Options{Root: root, Dir: dir, Binaries: built, Port: port}); err == nil || !strings.Contains(err.Error(), "PORT") {
		t.Errorf("got %v", err)
	}
}

func TestPagesOfTheStack(t *testing.T) {
	t.Parallel()
	s := start(t, t.TempDir())
	if status, body := do(t, http.MethodGet, s.BaseURL+"/", ""); status != http.StatusOK || !strings.Contains(body, `action="/api/newsletter/subscribe"`) {
		t.Errorf("sign-up page: %d %s", status, body)
	}
	if _, body := do(t, http.MethodGet, s.BaseURL+"/_local/inbox", "", "Accept: application/json"); strings.TrimSpace(body) != "[]" {
		t.Errorf("an empty inbox: %s", body)
	}
	first, second := signUp(t, s, "first@example.org"), signUp(t, s, "second@example.org")
	var listed []struct {
		To, Subject, Text string
		Links             []string
		Headers           map[string]string
	}
	_, body := do(t, http.MethodGet, s.BaseURL+"/_local/inbox", "", "Accept: application/json")
	if err := json.Unmarshal([]byte(body), &listed); err != nil || len(listed) != 2 || listed[0].To != second.To || listed[1].To != first.To {
		t.Errorf("inbox, the newest first: %s: %v", body, err)
	}
	if status, body := do(t, http.MethodGet, s.BaseURL+"/_local/inbox", "", "Accept: text/html"); status != http.StatusOK ||
		!strings.Contains(body, `<a href="`+strings.ReplaceAll(first.Links[0], "&", "&amp;")+`">`) {
		t.Errorf("inbox in a browser: %d %s", status, body)
	}
	if status, body := do(t, http.MethodGet, s.BaseURL+"/api/newsletter/openapi.yaml", ""); status != http.StatusOK || !strings.HasPrefix(body, "openapi: 3.1") {
		t.Errorf("the API's description: %d %.40s", status, body)
	}
	for _, host := range []string{"evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80"} {
		if status, _ := do(t, http.MethodGet, s.BaseURL+"/_local/inbox", "", "Host: "+host); status != http.StatusMisdirectedRequest {
			t.Errorf("host %s: %d", host, status)
		}
	}
}
