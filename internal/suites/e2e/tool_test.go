package e2e

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// tool builds the operator's tool once for all tests and returns its path.
var tool = sync.OnceValues(func() (string, error) {
	dir, err := binaries()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "newsletter-tool")
	build := exec.CommandContext(context.Background(), "go", append(append([]string{"build", "-o", path}, buildFlags...), "./cmd/newsletter")...)
	build.Dir = root
	if output, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the tool: %w\n%s", err, output)
	}
	return path, nil
})

// newsletter runs the operator's tool against the system and returns its exit status and output. Wrong usage ends the
// test.
func (s *stack) newsletter(t testing.TB, args ...string) (status int, output string) {
	t.Helper()
	path, err := tool()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), path, args...)
	command.Dir = root
	command.Env = []string{"LOCAL_DIR=" + s.dir} // without an installation's variables
	printed, err := command.Output()
	exit, failed := errors.AsType[*exec.ExitError](err)
	if err != nil && (!failed || exit.ExitCode() != 1) {
		t.Fatalf("newsletter %v: %v %s", args, err, printed)
	}
	if failed {
		t.Logf("newsletter %v: %s", args, exit.Stderr)
		return 1, string(printed)
	}
	return 0, string(printed)
}

// operator runs the operator's tool and checks that it succeeds.
func (s *stack) operator(t testing.TB, args ...string) string {
	t.Helper()
	status, output := s.newsletter(t, args...)
	if status != 0 {
		t.Fatalf("newsletter %v: status %d, %s", args, status, output)
	}
	return output
}
