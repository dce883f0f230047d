package bundle

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestTemplateCheckNeedsItsTools checks that `make template-check` reports missing tools, and fails with CI=true.
func TestTemplateCheckNeedsItsTools(t *testing.T) {
	t.Parallel()
	makeCommand, err := exec.LookPath("make")
	if err != nil {
		t.Fatal(err)
	}
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Fatal(err)
	}
	tools := t.TempDir() // bash, and nothing else
	if err := os.Symlink(bash, filepath.Join(tools, "bash")); err != nil {
		t.Fatal(err)
	}
	for ci, fails := range map[string]bool{"": false, "true": true} {
		command := exec.CommandContext(t.Context(), makeCommand, "template-check")
		command.Dir = root
		command.Env = []string{"PATH=" + tools, "CI=" + ci}
		output, err := command.CombinedOutput()
		if (err != nil) != fails || !strings.Contains(string(output), "cfn-lint is missing") {
			t.Errorf("CI=%q: %v\n%s", ci, err, output)
		}
	}
}
