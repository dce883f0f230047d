package newsletter

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"newsletter/internal/local/samtemplate"
	"newsletter/internal/policy/bundle"
)

// TestBundle checks that the functions, their events, docs/openapi.yaml and the import table agree.
func TestBundle(t *testing.T) {
	b, err := bundle.Load(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range b.Problems() {
		t.Error(problem)
	}
}

// TestBinaries builds every function for deployment and checks the binaries, and that each role allows what its binary
// calls at AWS, and nothing else.
func TestBinaries(t *testing.T) {
	dir := t.TempDir()
	var binaries []bundle.Binary
	for _, function := range functions(t) {
		binary, err := bundle.Build(".", function, dir)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, problem := range binary.Problems() {
			t.Error(problem)
		}
		binaries = append(binaries, binary)
	}
	t.Log("\n" + bundle.Table(binaries))
	t.Run("Roles", func(t *testing.T) {
		stacks, err := bundle.Stacks(t.Context(), read(t, "template.yaml"))
		if errors.Is(err, samtemplate.ErrNoTranslator) && os.Getenv("CI") != "true" {
			t.Skip(err)
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, binary := range binaries {
			for _, problem := range binary.CallProblems(stacks[0][0]) {
				t.Error(problem)
			}
		}
	})
}

// TestSameBinaries compares what `sam build` runs (build-SubscribeFunction with ARTIFACTS_DIR) with what `make build`
// runs in a copy of the tree at another place, under a developer's GOFLAGS.
func TestSameBinaries(t *testing.T) {
	elsewhere, artifacts := copyTree(t), t.TempDir()
	for _, function := range functions(t) {
		resource := strings.ToUpper(function[:1]) + function[1:] + "Function"
		out := filepath.Join(artifacts, function)
		run(t, ".", []string{"ENVIRONMENT=example"}, "make", "build-"+resource, "ARTIFACTS_DIR="+out)
		run(t, elsewhere, []string{"GOFLAGS=-gcflags=-N", "ENVIRONMENT=example"}, "make", "bin/"+function+"/bootstrap")
		if packed, err := os.ReadDir(out); err != nil || len(packed) != 2 || packed[1].Name() != "settings.json" {
			t.Errorf("functions/%s: `sam build` packages %v, %v; want the binary and its settings", function, packed, err)
		}
		if one, other := read(t, filepath.Join(out, "settings.json")), read(t, filepath.Join(elsewhere, "bin", function, "settings.json")); !bytes.Equal(one, other) {
			t.Errorf("functions/%s: the settings of `sam build` and `make build` differ:\n%s%s", function, one, other)
		}
		first, second := read(t, filepath.Join(out, "bootstrap")), read(t, filepath.Join(elsewhere, "bin", function, "bootstrap"))
		if sha256.Sum256(first) != sha256.Sum256(second) {
			t.Errorf("functions/%s: the binaries of `sam build` and `make build` differ (%d and %d bytes): they depend on the directory or "+
				"the environment; compare `go version -m`", function, len(first), len(second))
		}
		if bytes.Contains(first, []byte(elsewhere)) || bytes.Contains(first, []byte(".debug_info")) {
			t.Errorf("functions/%s: the binary is not stripped, or contains a local path", function)
		}
	}
}

// TestBuildWithoutSettingsExplainsHowToCreateThem checks that the build fails before it compiles anything.
func TestBuildWithoutSettingsExplainsHowToCreateThem(t *testing.T) {
	cmd := exec.Command("make", "bin/subscribe/bootstrap", "ENVIRONMENT=nowhere")
	output, err := cmd.CombinedOutput()
	if err == nil || !bytes.Contains(output, []byte("cp settings/example.toml settings/nowhere.toml")) {
		t.Errorf("%v\n%s", err, output)
	}
}

// functions returns all functions, or only the first with -short.
func functions(t *testing.T) []string {
	t.Helper()
	names, err := bundle.FunctionNames(".")
	if err != nil || len(names) == 0 {
		t.Fatalf("no functions: %v", err)
	}
	if testing.Short() {
		return names[:1]
	}
	return names
}

// copyTree copies all files that git tracks or that are new and not ignored.
func copyTree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	list := run(t, ".", nil, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	for name := range strings.SplitSeq(strings.TrimRight(list, "\x00"), "\x00") {
		text, err := os.ReadFile(name)
		if os.IsNotExist(err) {
			continue // deleted, but not committed
		}
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func run(t *testing.T, dir string, env []string, name string, arguments ...string) string {
	t.Helper()
	cmd := exec.Command(name, arguments...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(arguments, " "), err, errs.String())
	}
	return string(out)
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
