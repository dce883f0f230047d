package main

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"newsletter/internal/local/lambdalocal"
)

// stackConsole runs the tool with --stack, where neither the repository nor a local system is.
type stackConsole struct {
	*testing.T
	path, home string
	variables  []string
}

func (c stackConsole) run(stdin string, args ...string) (status int, output string) {
	c.Helper()
	cmd := exec.CommandContext(c.Context(), c.path, append([]string{"--stack", "newsletter"}, args...)...)
	cmd.Dir, cmd.Env, cmd.Stdin = c.home, c.variables, strings.NewReader(stdin)
	var text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &text
	_ = cmd.Run() // the status says it
	return cmd.ProcessState.ExitCode(), text.String()
}

func (c stackConsole) expect(status int, text, stdin string, args ...string) {
	c.Helper()
	if got, output := c.run(stdin, args...); got != status || !strings.Contains(output, text) || strings.Contains(output, "postgres://") {
		c.Errorf("%v: status %d, want %d; output lacks %q:\n%.2000s", args, got, status, text, output)
	}
}

// TestStack runs commands by the real function operate behind Lambda's API: each group, refusals, and a long command that
// takes several calls, one of which is killed.
func TestStack(t *testing.T) {
	t.Parallel()
	path, dir := tool(t), t.TempDir()
	dev := startDev(t, path, dir)
	api, server, profile := newLambdaAPI(t, dir)
	home := t.TempDir()
	c := stackConsole{t, path, home, []string{
		"HOME=" + home, "AWS_CONFIG_FILE=" + profile, "AWS_PROFILE=news", "AWS_ENDPOINT_URL_LAMBDA=" + server.URL,
		"AWS_EC2_METADATA_DISABLED=true", "AWS_MAX_ATTEMPTS=1",
	}}
	response, err := http.Post(dev.url+"/api/newsletter/subscribe", "application/json", strings.NewReader(`{"email":"jane@example.org"}`))
	if err != nil || response.StatusCode != http.StatusAccepted {
		t.Fatalf("%v %v", response, err)
	}
	_ = response.Body.Close()

	c.expect(0, "added 2026-11 (en)", "I want the letter.", "consent", "add", "--version", "2026-11", "--locale", "en", "-")
	c.expect(0, "added 2026-11 (en)", "I want the letter.", "consent", "add", "--version", "2026-11", "--locale", "en", "-") // repeated
	c.expect(1, "choose another version", "Another text.", "consent", "add", "--version", "2026-11", "--locale", "en", "-")
	c.expect(0, "I want the letter.", "", "consent", "current")
	c.expect(0, "Signed up for the newsletter", "", "consent", "proof", "jane@example.org")
	c.expect(0, `"email": "jane@example.org"`, "", "privacy", "export", "jane@example.org")
	c.expect(0, "suppressed", "", "suppression", "add", "jane@example.org")
	c.expect(0, `"reason": "operator"`, "", "suppression", "list", "--json")
	c.expect(2, `"jane" is not an email address`, "", "suppression", "add", "jane")
	c.expect(1, "the address is not suppressed", "", "suppression", "remove", "joan@example.org")
	c.expect(2, "known: alert.firing, ", "", "outbox", "list", "--kind", "email.confirmed")
	c.expect(0, "paused email (operator)", "", "destination", "pause", "email")
	c.expect(0, "resumed email", "", "destination", "resume", "email")
	c.expect(1, "the journal is empty", "", "journal", "replay", "--since", "2026-01-01")
	c.expect(0, "nothing is sealed yet", "", "ledger", "verify")
	c.expect(0, "postgres", "", "health")
	c.expect(0, "health ran", "", "monitor", "--once")
	c.expect(0, "version", "", "migrate", "status")
	c.expect(0, `"ok": true`, "", "migrate", "validate", "--json")
	list := filepath.Join(home, "list.csv")
	if err := os.WriteFile(list, []byte("email,status\njim@example.org,active\njill@example.org,unsubscribed\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.expect(0, "1 imported: active", "", "import", list)
	exportedLinksUnsubscribe(c)
	c.expect(0, "jill@example.org,unsubscribed", "", "export", "--status", "all")
	c.expect(2, "runs on this machine", "", "dev")
	c.expect(2, "--stack", "", "--stack", "a/b", "hold", "list")
	if text := api.log.String(); strings.Contains(text, "jane") || strings.Contains(text, "@example.org") || !strings.Contains(text, `"command":"privacy export"`) || !strings.Contains(text, `"outcome":"refused"`) {
		t.Errorf("the log of operate: %.4000s", text)
	}
	holdsAreReleasedOnce(c, api, dir)
	api.set(func() { api.answer = &lambdalocal.Result{Payload: []byte(`{"status":"pass"}`)} })
	c.expect(1, "not a response of the function operate", "", "hold", "list")
	if len(api.problems) > 0 {
		t.Errorf("AWS would refuse these requests: %v", api.problems)
	}
}

// exportedLinksUnsubscribe presses the one-click link (RFC 8058) of the only active subscriber, as their email program does.
func exportedLinksUnsubscribe(c stackConsole) {
	status, output := c.run("", "export", "--with-links")
	reader := csv.NewReader(strings.NewReader(output))
	reader.FieldsPerRecord = -1 // the number of subscribers follows, on the standard error
	records, err := reader.ReadAll()
	if status != 0 || len(records) < 2 || records[0][len(records[0])-1] != "unsubscribe_url" || records[1][0] != "jim@example.org" {
		c.Fatalf("status %d, %v: %.2000s", status, err, output)
	}
	link := records[1][len(records[1])-1]
	response, err := http.Post(link, "application/x-www-form-urlencoded", strings.NewReader("List-Unsubscribe=One-Click"))
	if err != nil || response.StatusCode != http.StatusOK {
		c.Fatalf("%v %v", response, err)
	}
	_ = response.Body.Close()
	c.expect(0, "jim@example.org,unsubscribed", "", "export", "--status", "unsubscribed")
}

// holdsAreReleasedOnce kills the function while it releases held emails, and continues.
func holdsAreReleasedOnce(c stackConsole, api *lambdaAPI, dir string) {
	const holds = 450
	execute(c.T, dir, fmt.Sprintf(`insert into outbox (id, kind, state, hold_reason, due_at, created_at)
		select gen_random_uuid(), 'email.confirm', 'held', 'disposable', now(), now() from generate_series(1, %d)`, holds))
	released := func() int {
		n, err := strconv.Atoi(query(c.T, dir, `select count(*)::text from ledger_events where kind = 'hold.released'`))
		if err != nil {
			c.Fatal(err)
		}
		return n
	}
	killed := make(chan int)
	go func() {
		for released() < 20 {
			time.Sleep(5 * time.Millisecond)
		}
		killed <- killOperate(c.T)
	}()
	c.expect(1, "run it again", "", "hold", "release", "--all")
	if n := <-killed; n != 1 {
		c.Errorf("%d processes of operate were killed", n)
	}
	before := released()
	for again := -1; again != before; again, before = before, released() { // PostgreSQL may still commit
		time.Sleep(300 * time.Millisecond)
	}
	if before == 0 || before == holds {
		c.Fatalf("%d of %d were released when the function was killed", before, holds)
	}
	calls := api.count("operate")
	status, output := c.run("", "hold", "release", "--all")
	if got := strings.Count(output, " released\n"); status != 0 || got != holds-before || released() != holds {
		c.Errorf("status %d: %d more released of %d, after %d; the ledger has %d", status, got, holds, before, released())
	}
	if more := api.count("operate") - calls; more < 2 {
		c.Errorf("%d calls", more)
	}
	c.expect(0, "nothing is held; nothing changed", "", "hold", "release", "--all")
}

// killOperate kills the processes of the function operate that this process has started, and returns their number.
func killOperate(t *testing.T) (n int) {
	output, err := exec.CommandContext(t.Context(), "ps", "-A", "-o", "pid=,ppid=,args=").Output()
	if err != nil {
		t.Error(err)
	}
	for line := range strings.Lines(string(output)) {
		fields := strings.Fields(line)
		if pid, err := strconv.Atoi(fields[0]); err == nil && fields[1] == strconv.Itoa(syscall.Getpid()) && strings.HasSuffix(fields[2], "/operate") {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			n++
		}
	}
	return n
}
