package main

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// importLines returns the length of the list. The documentation's figure is for 100,000 lines.
func importLines() int {
	if n, err := strconv.Atoi(os.Getenv("IMPORT_LINES")); err == nil {
		return n
	}
	return 20_000
}

// TestImportThatIsKilled checks that an import that was killed can be repeated without duplicates, and that neither its
// output nor its report contains addresses.
func TestImportThatIsKilled(t *testing.T) {
	t.Parallel()
	path, dir := tool(t), t.TempDir()
	startDev(t, path, dir)
	c := console{t, path, dir}
	n, list := importLines(), filepath.Join(dir, "list.csv")
	var text strings.Builder
	text.WriteString("email,confirmed_at,source\n")
	for i := range n {
		fmt.Fprintf(&text, "reader%06d@example%d.org,2024-05-01T10:00:00Z,https://www.example.org/\n", i, i%997)
	}
	text.WriteString("nobody,,\n")
	if err := os.WriteFile(list, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}

	report := filepath.Join(dir, "report.csv")
	cmd := exec.CommandContext(t.Context(), path, "import", "--report", report, list)
	cmd.Env = append(os.Environ(), "LOCAL_DIR="+dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for info, err := os.Stat(report); err != nil || info.Size() < 4096; info, err = os.Stat(report) { // some batches are written
		if cmd.ProcessState != nil {
			t.Fatal("it ended before it was killed")
		}
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()

	status, output := c.run("", "import", "--report", report, list)
	var added, there int
	for line := range strings.Lines(output) {
		fields := strings.Fields(line)
		number, _ := strconv.Atoi(fields[0])
		switch fields[1] {
		case "imported:":
			added = number
		case "unchanged":
			there = number
		}
	}
	if status != 0 || added+there != n || there == 0 || !strings.Contains(output, "1 refused: bad_address") {
		t.Errorf("status %d: %s", status, output)
	}
	content, err := os.ReadFile(report)
	if err != nil || strings.Contains(string(content), "@") || !strings.Contains(string(content), fmt.Sprintf("%d,refused: bad_address", n+2)) {
		t.Errorf("the report: %v %.300s", err, content)
	}
	c.expect(1, fmt.Sprintf("%d unchanged", n), "", "import", "--strict", "--dry-run", list)

	exported := filepath.Join(dir, "export.csv")
	c.expect(0, "", "", "export", "-o", exported)
	file, err := os.Open(exported)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	lines := 0
	for scanner := bufio.NewScanner(file); scanner.Scan(); {
		lines++
	}
	if lines != n+1 {
		t.Errorf("%d lines were exported", lines)
	}
	c.expect(2, "", "", "import")
	c.expect(1, "", "", "import", filepath.Join(dir, "nothing.csv"))
	c.expect(2, "", "", "export", "--status", "rich")
	c.expect(0, "--dry-run", "", "import", "--help")
}

// TestImportExitStatus checks that status 0 means that at least one line was imported, and with --strict that every
// line was, with all its values.
func TestImportExitStatus(t *testing.T) {
	t.Parallel()
	path, dir := tool(t), t.TempDir()
	startDev(t, path, dir)
	for name, c := range map[string]struct {
		list   string
		flags  []string
		status int
		output string // parts of both outputs
	}{
		"all refused":          {"email,status\na@example.org,pending\nb@example.org,pending\n", nil, 1, "every line was refused (2 refused: waiting)|docs/import.md"},
		"all refused, dry":     {"email,status\na@example.org,pending\n", []string{"--dry-run"}, 1, "every line was refused"},
		"one refused":          {"email,status,name,tags\nc@example.org,active,C,\nd@example.org,pending,,\n", nil, 0, "1 imported: active|1 refused: waiting|ignored columns: name, tags"},
		"strict, one refused":  {"email,status\nk@example.org,active\nd@example.org,pending\n", []string{"--strict", "--dry-run"}, 1, "1 imported: active|refused or unreadable: 1 refused: waiting"},
		"leavers alone":        {"email,status\nl@example.org,unsubscribed\nm@example.org,bounced\n", []string{"--strict"}, 0, "1 imported: unsubscribed|1 imported: suppressed"},
		"a time not read":      {"email,confirmed_at\ne@example.org,3/4/2022\n", nil, 0, "1 imported: active|1 times unreadable"},
		"strict, a time":       {"email,confirmed_at\nf@example.org,3/4/2022\n", []string{"--strict"}, 1, "1 imported: active|refused or unreadable: 1 times unreadable"},
		"headings alone":       {"email\n", nil, 1, "the list is empty"},
		"an open quote":        {"email,name\ng@example.org,\"G\nh@example.org,H\n", nil, 1, "line 2: "},
		"what may be an end":   {"email,Marketing\ni@example.org,false\n", nil, 1, `"Marketing": "false" in line 2|nothing was imported|--ignore COLUMN`},
		"what it means":        {"email,Marketing\ni@example.org,false\n", []string{"--map", "marketing=subscribed"}, 0, "1 imported: unsubscribed"},
		"that it does not":     {"email,Marketing\nn@example.org,false\n", []string{"--ignore", "Marketing"}, 0, "1 imported: active|ignored columns: Marketing"},
		"a meaning":            {"email\n", []string{"--map", "x=gone"}, 2, `unknown meaning "gone"; known: status`},
		"no column":            {"email\no@example.org\n", []string{"--ignore", "x"}, 1, "the list has no such column"},
		"a state":              {"email\n", []string{"--as", "gone"}, 2, `unknown state "gone"`},
		"everyone left":        {"email\np@example.org\n", []string{"--as", "left"}, 0, "1 imported: unsubscribed"},
		"both":                 {"email\n", []string{"--confirmed", "--reconfirm"}, 2, "exclude each other"},
		"no text":              {"email\n", []string{"--consent-version", "x"}, 2, `no consent text of version "x"`},
		"asked again":          {"email,status\nq@example.org,pending\n", []string{"--reconfirm"}, 0, "1 imported: pending"},
		"dry run":              {"uuid,email,attributes,status,Note\n1,r@example.org,{},blocklisted,\n", []string{"--dry-run"}, 0, "layout: listmonk (UTF-8)|status  status  by the heading|ignored columns: uuid, attributes, Note|Dry run: nothing was written|1 imported: suppressed"},
		"JSON":                 {"email,status\ns@example.org,active\n", []string{"--json"}, 0, `"layout": ""|"meaning": "status"|"imported: active": 1`},
		"strict, all is taken": {"email\nj@example.org\n", []string{"--strict"}, 0, "1 of 1 lines|1 imported: active"},
	} {
		cmd := exec.CommandContext(t.Context(), path, append(append([]string{"import"}, c.flags...), "/dev/stdin")...)
		cmd.Env, cmd.Stdin = append(os.Environ(), "LOCAL_DIR="+dir), strings.NewReader(c.list)
		output, _ := cmd.CombinedOutput()
		for part := range strings.SplitSeq(c.output, "|") {
			if cmd.ProcessState.ExitCode() != c.status || !strings.Contains(string(output), part) {
				t.Errorf("%s: status %d, want %d; want %q in\n%s", name, cmd.ProcessState.ExitCode(), c.status, part, output)
			}
		}
		if strings.Contains(string(output), "0 lines") || strings.Contains(string(output), "100 %") {
			t.Errorf("%s: %s", name, output)
		}
	}
}

// TestReconfirm follows who waited on a list of another tool to their confirmation here and its proof, and who had left
// to their next sign-up.
func TestReconfirm(t *testing.T) {
	t.Parallel()
	path, dir := tool(t), t.TempDir()
	dev := startDev(t, path, dir)
	c := console{t, path, dir}
	const list = "email,subscriber_type,creation_date,unsubscription_date\n" +
		"wait@example.org,unactivated,2024-02-03,\nleft@example.org,unsubscribed,2024-02-03,2024-05-06 07:08:09\n"
	c.expect(0, "1 imported: pending", list, "import", "--reconfirm", "/dev/stdin")
	c.expect(0, "2 unchanged", list, "import", "--reconfirm", "/dev/stdin")
	sent := dev.inbox(t, 1)
	if len(sent) != 1 || sent[0].To != "wait@example.org" || !strings.HasPrefix(sent[0].Subject, "Do you still want ") {
		t.Fatalf("%+v", sent)
	}
	c.expect(0, "Asked by email to confirm; the imported list had no confirmation", "", "consent", "proof", "wait@example.org")
	link := sent[0].Links[slices.IndexFunc(sent[0].Links, func(l string) bool { return strings.Contains(l, "/confirm?") })]
	response, err := http.Post(link, "application/x-www-form-urlencoded", strings.NewReader("agree=yes"))
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%v %v", response, err)
	}
	_ = response.Body.Close()
	c.expect(0, "Status: active", "", "consent", "proof", "wait@example.org")
	c.expect(0, "text shown       version default-1, en", "", "consent", "proof", "wait@example.org")

	c.expect(0, "left at          2024-05-06T07:08:09Z (according to the list)", "", "consent", "proof", "left@example.org")
	c.expect(1, "1 refused: unsubscribed", "email\nleft@example.org\n", "import", "--confirmed", "/dev/stdin")
	response, err = http.Post(dev.url+"/api/newsletter/subscribe", "application/json", strings.NewReader(`{"email":"left@example.org"}`))
	if err != nil || response.StatusCode != http.StatusAccepted {
		t.Fatalf("%v %v", response, err)
	}
	_ = response.Body.Close()
	if sent := dev.inbox(t, 2); len(sent) != 2 || sent[0].To != "left@example.org" {
		t.Errorf("%+v", sent)
	}
	c.expect(0, "left@example.org,pending,", "", "export", "--status", "pending")
}
