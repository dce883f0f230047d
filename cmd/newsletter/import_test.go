package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// importLines is how long the list of the test is; the documentation's figure is for 100,000.
func importLines() int {
	if n, err := strconv.Atoi(os.Getenv("IMPORT_LINES")); err == nil {
		return n
	}
	return 20_000
}

// An import that is killed is run again without doubles, and nothing of it names anybody.
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
	var imported, there int
	for line := range strings.Lines(output) {
		fields := strings.Fields(line)
		number, _ := strconv.Atoi(fields[0])
		switch fields[1] {
		case "imported":
			imported = number
		case "already_there":
			there = number
		}
	}
	if status != 0 || imported+there != n || there == 0 || !strings.Contains(output, "1 refused: bad_address") {
		t.Errorf("status %d: %s", status, output)
	}
	content, err := os.ReadFile(report)
	if err != nil || strings.Contains(string(content), "@") || !strings.Contains(string(content), fmt.Sprintf("%d,refused,bad_address", n+2)) {
		t.Errorf("the report: %v %.300s", err, content)
	}
	c.expect(1, fmt.Sprintf("%d already_there", n), "", "import", "--strict", "--dry-run", list)

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
	c.expect(0, "-dry-run", "", "import", "--help")
}
