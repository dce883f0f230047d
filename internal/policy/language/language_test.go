package main

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

// TestTheRepositoryFollowsTheGlossary checks every file of the repository.
func TestTheRepositoryFollowsTheGlossary(t *testing.T) {
	t.Parallel()
	findings, err := check(os.DirFS("../../.."), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range findings {
		t.Error(f)
	}
}

func TestVerbsAreSortedAndUnique(t *testing.T) {
	t.Parallel()
	verbs := strings.Fields(verbList)
	if !slices.IsSorted(verbs) || len(slices.Compact(slices.Clone(verbs))) != len(verbs) {
		t.Error("verbs.txt is not sorted, or has a verb twice")
	}
}

func TestViolationsAreFound(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		file, text string
		want       int
	}{
		"good doc":            {"a.go", "package a\n\n// Expired reports whether it is over.\nfunc Expired() bool { return true }\n", 0},
		"no name":             {"a.go", "package a\n\n// It reports whether it is over.\nfunc Expired() bool { return true }\n", 1},
		"no verb":             {"a.go", "package a\n\n// Age is how long it waits.\nfunc Age() int { return 0 }\n", 1},
		"doc of a test":       {"a_test.go", "package a\n\n// It has no form.\nfunc TestAge() {}\n", 0},
		"phrase in a comment": {"a.go", "package a\n\n// Age returns what it gives.\nfunc Age() int { return 0 }\n", 1},
		"phrase in a string":  {"a.go", "package a\n\nvar text = `one\nsomebody`\n", 1},
		"identifier":          {"a.go", "package a\n\nfunc gives() {}\n", 0},
		"Markdown":            {"docs/a.md", "Send the owner an e-mail.\n", 1},
		"SQL":                 {"migrations/1.sql", "-- Whom it tells.\n", 2},
		"quoted by itself":    {"internal/policy/language/a.md", "somebody\n", 0},
		"test data":           {"a/testdata/a.md", "somebody\n", 0},
		"other files":         {"a.json", "somebody\n", 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			findings, err := check(fstest.MapFS{tc.file: {Data: []byte(tc.text)}}, nil)
			if err != nil || len(findings) != tc.want {
				t.Errorf("got %v, %v, want %d findings", findings, err, tc.want)
			}
		})
	}
}

func TestLongSubjectsAreFound(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	// A repository without the commit that the rule begins at is not checked.
	if out, err := exec.Command("git", "init", "-q", folder).CombinedOutput(); err != nil {
		t.Fatalf("git init: %v: %s", err, out)
	}
	if findings, err := checkSubjects(folder); err != nil || len(findings) > 0 {
		t.Errorf("got %v, %v in another repository, want nothing", findings, err)
	}
	findings, err := checkSubjects("../../..")
	if err != nil || len(findings) > 0 {
		t.Errorf("got %v, %v, want no subject above %d columns", findings, err, subjectMax)
	}
}
