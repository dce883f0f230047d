package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"newsletter/internal/local/gobuild"
	"newsletter/internal/local/pgserver"
)

// built is a folder with the tool, built as by `go run`, and with the functions in its folder functions. They are built
// once for all tests.
var built = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "newsletter-tool-")
	if err != nil {
		return "", err
	}
	build := exec.CommandContext(context.Background(), "go", "build", "-o", filepath.Join(dir, "newsletter"), ".")
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, output)
	}
	return dir, gobuild.Functions(context.Background(), filepath.Join("..", ".."), filepath.Join(dir, "functions"))
})

func TestMain(m *testing.M) {
	status := m.Run()
	if dir, err := built(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(status)
}

// tool returns the path of the tool.
func tool(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("a whole system is left out with -short")
	}
	dir, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "newsletter")
}

// running is a `newsletter dev`.
type running struct {
	*exec.Cmd
	url string
}

// startDev starts `newsletter dev` and waits until it serves.
func startDev(t *testing.T, path, dir string) *running {
	t.Helper()
	return startDevWith(t, path, dir, "BINARIES="+filepath.Join(filepath.Dir(path), "functions"))
}

// startDevWith starts `newsletter dev` with additional variables. Without BINARIES the tool builds the functions
// itself.
func startDevWith(t *testing.T, path, dir string, variables ...string) *running {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), path, "dev")
	cmd.Env = append(append(os.Environ(), "PORT=0", "LOCAL_DIR="+dir), variables...)
	var log bytes.Buffer
	cmd.Stderr = &log
	output, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		started := descendants(t, cmd.Process.Pid)
		_ = cmd.Process.Kill()
		awaitEnd(t, started)
		_ = pgserver.Remove(filepath.Join(dir, "postgres")) // as root the data is elsewhere
	})
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		if url, ready := strings.CutPrefix(lines.Text(), "ready "); ready {
			go func() { _, _ = io.Copy(io.Discard, output) }()
			return &running{cmd, url}
		}
	}
	_ = cmd.Wait()
	t.Fatalf("the tool ended before it served: %s", log.String())
	return nil
}

// descendants lists the processes that a process has started, directly or indirectly.
func descendants(t *testing.T, pid int) []int {
	t.Helper()
	output, err := exec.CommandContext(context.Background(), "ps", "-A", "-o", "pid=,ppid=").Output()
	if err != nil {
		t.Fatal(err)
	}
	children := map[int][]int{}
	for line := range strings.Lines(string(output)) {
		fields := strings.Fields(line)
		child, _ := strconv.Atoi(fields[0])
		parent, _ := strconv.Atoi(fields[1])
		children[parent] = append(children[parent], child)
	}
	var all []int
	for queue := children[pid]; len(queue) > 0; queue = queue[1:] {
		all = append(all, queue[0])
		queue = append(queue, children[queue[0]]...)
	}
	return all
}

// awaitEnd waits until all the processes have ended.
func awaitEnd(t *testing.T, pids []int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); len(pids) > 0; time.Sleep(20 * time.Millisecond) {
		if syscall.Kill(pids[0], 0) != nil {
			pids = pids[1:]
		} else if time.Now().After(deadline) {
			t.Fatalf("processes %v are still running", pids)
		}
	}
}

func TestDevEndsWhatItStarted(t *testing.T) {
	t.Parallel()
	path, dir := tool(t), t.TempDir()

	dev := startDev(t, path, dir)
	if response, err := http.Get(dev.url + "/api/health/live"); err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%v %v", response, err)
	}
	started := descendants(t, dev.Process.Pid)
	if len(started) < 3 { // PostgreSQL, and functions
		t.Fatalf("processes %v", started)
	}
	if err := dev.Process.Kill(); err != nil { // nothing is said, nothing is put in order
		t.Fatal(err)
	}
	_ = dev.Wait()
	awaitEnd(t, started)

	dev = startDev(t, path, dir) // what was left behind does not keep the next one from starting
	started = descendants(t, dev.Process.Pid)
	if err := dev.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := dev.Wait(); err != nil {
		t.Errorf("after Ctrl-C: %v", err)
	}
	awaitEnd(t, started)
}

func TestInvoke(t *testing.T) {
	t.Parallel()
	path, dir := tool(t), t.TempDir()
	startDev(t, path, dir)
	call := func(stdin string, args ...string) (int, string) {
		cmd := exec.CommandContext(t.Context(), path, args...)
		cmd.Env = append(os.Environ(), "LOCAL_DIR="+dir)
		cmd.Stdin = strings.NewReader(stdin)
		output, err := cmd.Output()
		if exit, failed := errors.AsType[*exec.ExitError](err); failed {
			return exit.ExitCode(), string(output)
		}
		if err != nil {
			t.Fatal(err)
		}
		return 0, string(output)
	}
	if status, output := call(`{"command":"status"}`, "invoke", "migrate", "-"); status != 0 || !strings.Contains(output, `"version":`) {
		t.Errorf("migrate: %d %s", status, output)
	}
	event := filepath.Join(t.TempDir(), "event.json")
	if err := os.WriteFile(event, []byte(`{}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if status, output := call("", "invoke", "subscribe", event); status != 1 || !strings.Contains(output, "errorMessage") {
		t.Errorf("unknown event: %d %s", status, output)
	}
	sample := func(name string) string { return filepath.Join("..", "..", "events", name) }
	for _, c := range []struct {
		status int
		args   []string
	}{
		{0, []string{"subscribe", sample("subscribe/json.json")}},
		{1, []string{"subscribe", sample("subscribe/address-invalid.json")}},
		{0, []string{"--expect", "422", "subscribe", sample("subscribe/address-invalid.json")}},
		{1, []string{"--expect", "422", "subscribe", sample("subscribe/json.json")}},
		{1, []string{"--expect", "404", "subscribe", sample("subscribe/address-invalid.json")}},
		{0, []string{"migrate", sample("migrate/validate.json")}},
	} {
		if status, output := call("", append([]string{"invoke"}, c.args...)...); status != c.status {
			t.Errorf("%v: status %d, want %d: %s", c.args, status, c.status, output)
		}
	}
	execute(t, dir, `insert into outbox (id, kind, due_at, created_at, event_id) values (gen_random_uuid(), 'change', now() + interval '1 day', now(), gen_random_uuid())`)
	if status, output := call("", "invoke", "migrate", sample("migrate/validate.json")); status != 1 || !strings.Contains(output, `"ok":false`) {
		t.Errorf("a broken database: %d %s", status, output)
	}
	for name, args := range map[string][]string{
		"no command": {}, "unknown command": {"fly"}, "no event": {"invoke", "subscribe"}, "unknown function": {"invoke", "fly", event},
		"no status": {"invoke", "--expect", "good", "subscribe", event},
	} {
		if status, _ := call("", args...); status != 2 {
			t.Errorf("%s: %d", name, status)
		}
	}
}

// TestErrorsInTheVariables checks that all errors in the variables are printed at once, one a line.
func TestErrorsInTheVariables(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), tool(t), "suppression", "list")
	cmd.Env = append(os.Environ(), "DATABASE_URL=postgres://app:5ecret@/news", "PEPPER=5ecret", "DATABASE_IAM_AUTH=maybe", "SECRETS_ARN=")
	output, err := cmd.CombinedOutput()
	want := `newsletter: DATABASE_IAM_AUTH: must be "true" or "false" (example: false)
DATABASE_URL: must be a PostgreSQL URL that names one host, a user and a database, such as postgres://user:password@host:5432/database
PEPPER: must be at least 32 random bytes in base64, as "openssl rand -base64 32" makes them
OUTBOX_KEYS: required, but not set
ANCHOR_URL: required, but not set (example: s3://bucket/prefix)
SITE_NAME: required, but not set (example: The Jane Letter)
SITE_POSTAL_ADDRESS: required, but not set (example: 1 Main St\n12345 Town)
SITE_PUBLIC_URL: required, but not set (example: https://api.example.org)
TOKEN_KEYS_UNSUBSCRIBE: required, but not set
TOKEN_KEYS_SERVER: required, but not set
`
	if err == nil || string(output) != want {
		t.Errorf("%v: %s", err, output)
	}
}
