package docs_test

import (
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"newsletter/internal/local/gobuild"
)

// pages returns the documents of the repository, as paths from its root.
func pages(t *testing.T) []string {
	t.Helper()
	output, err := exec.CommandContext(t.Context(), "git", "-C", "..", "ls-files", "--cached", "--others", "--exclude-standard", "*.md").Output()
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Fields(string(output))
	if len(all) < 30 {
		t.Fatalf("%d documents", len(all))
	}
	return all
}

// TestNamedFilesExist checks that every file that a document links or names exists. The changelog names past files.
func TestNamedFilesExist(t *testing.T) {
	t.Parallel()
	link := regexp.MustCompile(`\]\(([^)#:\s]+)(?:#[^)]*)?\)`)
	fixed := regexp.MustCompile("`((?:cmd|docs|events|functions|internal|migrations|scripts|settings|shared)/[A-Za-z0-9_./-]+)`")
	for _, page := range pages(t) {
		if page == "CHANGELOG.md" {
			continue
		}
		text := read(t, filepath.Join("..", page))
		var named []string
		for _, found := range link.FindAllStringSubmatch(text, -1) {
			named = append(named, path.Join(path.Dir(page), found[1]))
		}
		for _, found := range fixed.FindAllStringSubmatch(text, -1) {
			named = append(named, found[1])
		}
		for _, file := range named {
			if _, err := os.Stat(filepath.Join("..", file)); err != nil {
				t.Errorf("%s names %s, which does not exist", page, file)
			}
		}
	}
}

// TestLinkedHeadingsExist checks that every heading that a document links exists.
func TestLinkedHeadingsExist(t *testing.T) {
	t.Parallel()
	link, punctuation := regexp.MustCompile(`\]\(([^)#:\s]*)#([^)]+)\)`), regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	for _, page := range pages(t) {
		for _, found := range link.FindAllStringSubmatch(read(t, filepath.Join("..", page)), -1) {
			target := page
			if found[1] != "" {
				target = path.Join(path.Dir(page), found[1])
			}
			if !slices.ContainsFunc(strings.Split(read(t, filepath.Join("..", target)), "\n"), func(line string) bool {
				title, heading := strings.CutPrefix(strings.TrimLeft(line, "#"), " ")
				id := strings.ReplaceAll(punctuation.ReplaceAllString(strings.ToLower(title), ""), " ", "-")
				return heading && line[0] == '#' && id == found[2]
			}) {
				t.Errorf("%s links %s#%s, a heading that does not exist", page, target, found[2])
			}
		}
	}
}

// TestEveryPageIsInTheIndex checks that docs/README.md links every other page of docs.
func TestEveryPageIsInTheIndex(t *testing.T) {
	t.Parallel()
	index := read(t, "README.md")
	for _, page := range pages(t) {
		if name, ok := strings.CutPrefix(page, "docs/"); ok && name != "README.md" && path.Dir(name) == "." && !strings.Contains(index, "]("+name+")") {
			t.Errorf("docs/README.md does not link %s", name)
		}
	}
}

// TestREADMEIsShort checks that the README can be read in a few minutes.
func TestREADMEIsShort(t *testing.T) {
	t.Parallel()
	if size := len(read(t, "../README.md")); size > 12_000 {
		t.Errorf("README.md has %d bytes, at most 12,000 are allowed: move details to docs/", size)
	}
}

// TestContributingCountsItsSteps checks that every guide of CONTRIBUTING.md has as many steps as its heading says, and
// names its tests. TestNamedTestsExist and TestNamedFilesExist check the names.
func TestContributingCountsItsSteps(t *testing.T) {
	t.Parallel()
	heading, step := regexp.MustCompile(`^(Add .*) \((\d+) steps\)\n`), regexp.MustCompile(`(?m)^\d+\. `)
	guides := 0
	for _, section := range strings.Split(read(t, "../CONTRIBUTING.md"), "\n## ")[1:] {
		found := heading.FindStringSubmatch(section)
		if found == nil {
			t.Errorf("not a guide: %.40q", section)
			continue
		}
		guides++
		_, last, _ := strings.Cut(section, "\nTests: ")
		if n := len(step.FindAllString(section, -1)); strconv.Itoa(n) != found[2] || !named.MatchString(last) {
			t.Errorf("%s: %d steps; tests: %q", found[1], n, last)
		}
	}
	if guides < 5 {
		t.Errorf("%d guides", guides)
	}
}

// TestLinkedModulesAreDecided compares the modules that the functions link with the record of their cost.
func TestLinkedModulesAreDecided(t *testing.T) {
	t.Parallel()
	list := exec.CommandContext(t.Context(), "go", "list", "-deps", "-tags", gobuild.Tags, "-f", "{{with .Module}}{{.Path}}{{end}}", "../functions/...")
	list.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=arm64", "GOFLAGS=")
	output, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	linked := strings.Fields(string(output))
	slices.Sort(linked)
	linked = slices.DeleteFunc(slices.Compact(linked), func(module string) bool { return module == "newsletter" })
	text, _, _ := strings.Cut(read(t, "adr/0007-dependencies.md"), "**Rejected:**")
	var decided []string
	for _, found := range regexp.MustCompile("`([a-z]+[.][a-z.]+/[A-Za-z0-9_./-]+|…/[a-z0-9/-]+)`").FindAllStringSubmatch(text, -1) {
		if found[1] != "…/config" { // named as not linked
			decided = append(decided, strings.Replace(found[1], "…", "github.com/aws/aws-sdk-go-v2", 1))
		}
	}
	for _, module := range linked {
		if !slices.Contains(decided, module) {
			t.Errorf("docs/adr/0007-dependencies.md has no row for %s", module)
		}
	}
	for _, module := range decided {
		if !slices.Contains(linked, module) {
			t.Errorf("docs/adr/0007-dependencies.md has %s, which no function links", module)
		}
	}
}
