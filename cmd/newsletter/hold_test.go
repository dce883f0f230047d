package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"newsletter/internal/local/devstack"
	"newsletter/shared/config"
	"newsletter/shared/postgres"
	"newsletter/shared/pseudonym"
	"newsletter/shared/subscription"
)

// openStore opens a store on the database of a running local system, as its functions do.
func openStore(t *testing.T, dir string) *subscription.Store {
	t.Helper()
	state, err := devstack.ReadState(dir)
	if err != nil {
		t.Fatal(err)
	}
	env := config.FromMap(state.Functions["subscribe"].Variables)
	dbConfig, keyConfig := postgres.ReadConfig(env), config.Read[pseudonym.Config](env)
	if err := env.Err(); err != nil {
		t.Fatal(err)
	}
	key, err := pseudonym.NewKey(keyConfig)
	if err != nil {
		t.Fatal(err)
	}
	db, err := postgres.New(t.Context(), dbConfig)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return subscription.NewStore(db, key, time.Now)
}

func TestHold(t *testing.T) {
	t.Parallel()
	path, dir := tool(t), t.TempDir()
	dev := startDev(t, path, dir)
	c, store := console{t, path, dir}, openStore(t, dir)
	c.expect(0, "[]", "", "hold", "list", "--json")
	for i, reason := range []string{"disposable", "disposable", "honeypot,too_fast", "honeypot"} {
		address, err := subscription.ParseAddress(fmt.Sprintf("joe.%d@example.org", i))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := store.Request(t.Context(), subscription.Request{Address: address, Hold: reason, Visit: subscription.Visit{Channel: "api"}}); err != nil {
			t.Fatal(err)
		}
	}
	_, output := c.run("", "hold", "list", "--json")
	var holds []subscription.HeldEmail
	if err := json.Unmarshal([]byte(output), &holds); err != nil || len(holds) != 4 {
		t.Fatalf("%v: %s", err, output)
	}
	c.expect(0, "example.org", "", "hold", "list")
	if strings.Contains(output, "joe") {
		t.Errorf("the list contains addresses: %s", output)
	}
	first, second := holds[0].ID.String(), holds[1].ID.String()
	c.expect(0, first+" released", "", "hold", "release", first)
	c.expect(1, first+" not held", "", "hold", "reject", first, second)
	c.expect(0, `"result": "released"`, "", "hold", "release", "--json", "--all", "--reason", "honeypot")
	c.expect(0, "[]", "", "hold", "list", "--json")
	c.expect(0, "nothing is held; nothing changed", "", "hold", "reject", "--all", "--reason", "signup_burst")
	c.refuse("known: captcha_unavailable, disposable, honeypot, signup_burst, too_fast", "hold", "reject", "--all", "--reason", "signup_bursts")
	if sent := dev.emails(t, 3); sent != 3 {
		t.Errorf("%d emails were sent, want 3", sent)
	}

	for _, wrong := range [][]string{{}, {"forget"}, {"release"}, {"release", "x"}, {"release", "--all", first}, {"reject", "--reason", "signup_burst", first}, {"list", "all"}} {
		c.expect(2, "", "", append([]string{"hold"}, wrong...)...)
	}
	c.expect(0, "hold release", "", "hold", "release", "--help")
}

// emails waits until n emails have been sent, and returns their number.
func (r *running) emails(t *testing.T, n int) int { return len(r.inbox(t, n)) }

// inbox waits until n emails have been sent, and returns them, the newest first.
func (r *running) inbox(t *testing.T, n int) (sent []devstack.Email) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline) && len(sent) < n; time.Sleep(100 * time.Millisecond) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.url+"/_local/inbox", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Accept", "application/json")
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		err = json.NewDecoder(response.Body).Decode(&sent)
		_ = response.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
	}
	return sent
}

func TestDisposableRefresh(t *testing.T) {
	t.Parallel()
	path, root := tool(t), t.TempDir()
	folder := filepath.Join(root, "shared", "disposable")
	if err := os.MkdirAll(folder, 0o750); err != nil {
		t.Fatal(err)
	}
	var list strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&list, "n%04d.EXAMPLE.net\n", 2000-i)
	}
	for file, content := range map[string]string{"go.mod": "module newsletter\n", "new.conf": list.String(), "short.conf": "mailinator.com\n"} {
		if err := os.WriteFile(filepath.Join(root, file), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	refresh := func(args ...string) (int, string) {
		cmd := exec.CommandContext(t.Context(), path, append([]string{"disposable"}, args...)...)
		cmd.Dir = root
		output, _ := cmd.CombinedOutput() // the status says it
		return cmd.ProcessState.ExitCode(), string(output)
	}
	for _, c := range []struct {
		status int
		args   []string
	}{{2, nil}, {2, []string{"refresh"}}, {2, []string{"show"}}, {1, []string{"refresh", "missing.conf"}}, {1, []string{"refresh", "short.conf"}}, {0, []string{"refresh", "new.conf"}}} {
		if status, output := refresh(c.args...); status != c.status {
			t.Errorf("%v: status %d: %s", c.args, status, output)
		}
	}
	written, err := os.ReadFile(filepath.Join(folder, "domains.txt"))
	if err != nil || !strings.HasPrefix(string(written), "n0001.example.net\nn0002.example.net\n") || strings.Count(string(written), "\n") != 2000 {
		t.Errorf("%v: %.100s", err, written)
	}
}
