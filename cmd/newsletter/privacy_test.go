package main

import (
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// console runs the tool against a running local system.
type console struct {
	*testing.T
	path, dir string
}

// run returns the exit status and the standard output.
func (c console) run(stdin string, args ...string) (int, string) {
	c.Helper()
	cmd := exec.CommandContext(c.Context(), c.path, args...)
	cmd.Env = append(os.Environ(), "LOCAL_DIR="+c.dir)
	cmd.Stdin = strings.NewReader(stdin)
	output, err := cmd.Output()
	if exit, failed := err.(*exec.ExitError); failed { //nolint:errorlint // Output returns it unwrapped
		if exit.ExitCode() == 1 {
			c.Logf("%v: %s", args, exit.Stderr)
		}
		return exit.ExitCode(), string(output)
	}
	if err != nil {
		c.Fatal(err)
	}
	return 0, string(output)
}

// expect fails the test unless the tool exits with a status and prints a text.
func (c console) expect(status int, text, stdin string, args ...string) {
	c.Helper()
	if got, output := c.run(stdin, args...); got != status || !strings.Contains(output, text) {
		c.Errorf("%v: status %d, want %d; output lacks %q:\n%.2000s", args, got, status, text, output)
	}
}

// refuse fails the test unless the tool exits with 2, for wrong usage, and prints a text.
func (c console) refuse(text string, args ...string) {
	c.Helper()
	cmd := exec.CommandContext(c.Context(), c.path, args...)
	cmd.Env = append(os.Environ(), "LOCAL_DIR="+c.dir)
	output, _ := cmd.CombinedOutput() // the status says it
	if status := cmd.ProcessState.ExitCode(); status != 2 || !strings.Contains(string(output), text) {
		c.Errorf("%v: status %d, want 2; output lacks %q:\n%.2000s", args, status, text, output)
	}
}

func TestPrivacyByLetter(t *testing.T) {
	t.Parallel()
	path, dir := tool(t), t.TempDir()
	dev := startDev(t, path, dir)
	c := console{t, path, dir}
	c.expect(0, "null", "", "privacy", "export", "jane@example.org") // nothing is known
	c.expect(1, "", "", "privacy", "open", "erase", "jane@example.org")

	response, err := http.Post(dev.url+"/api/newsletter/subscribe", "application/json", strings.NewReader(`{"email":"jane@example.org"}`))
	if err != nil || response.StatusCode != http.StatusAccepted {
		t.Fatalf("%v %v", response, err)
	}
	c.expect(0, `"email": "jane@example.org"`, "", "privacy", "export", "Jane@Example.org")
	c.expect(0, "due by", "", "privacy", "open", "--received", time.Now().AddDate(0, 0, -27).Format(time.DateOnly), "erase", "jane@example.org")
	c.expect(0, `"kind": "erase"`, "", "privacy", "list", "--json")
	c.expect(0, "due by", "", "privacy", "open", "--received", "2026-01-01", "export", "jane@example.org")
	c.expect(1, "2026-01-29", "", "privacy", "list") // overdue

	c.expect(1, "", "john@example.org\n", "privacy", "erase", "jane@example.org")
	execute(t, dir, `update subscribers set status = 'active', confirmed_at = now()`)
	c.expect(0, "the new address gets an email", "", "privacy", "rectify", "jane@example.org", "jane.new@example.org")
	c.expect(1, "", "", "privacy", "rectify", "jane@example.org", "jane.new@example.org") // too soon
	c.expect(0, "restricted\n", "", "privacy", "restrict", "jane@example.org")
	c.expect(0, "suppressed already", "", "privacy", "restrict", "jane@example.org")
	c.expect(0, "erased", "jane@example.org\n", "privacy", "erase", "jane@example.org")
	c.expect(0, "no data", "", "privacy", "erase", "--yes", "jane@example.org")
	c.expect(0, "2026-01-29", "", "privacy", "list", "--all") // the erasure ended the other request, too

	c.expect(2, "", "", "privacy")
	c.expect(2, "", "", "privacy", "sell")
	c.expect(2, "", "", "privacy", "erase", "jane")
	c.expect(2, "", "", "privacy", "open", "--received", "tomorrow", "erase", "jane@example.org")
	c.expect(0, "erase EMAIL", "", "privacy", "--help")
	c.expect(0, "--object", "", "privacy", "erase", "--help")
}
