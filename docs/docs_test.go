package docs_test

import (
	"bufio"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// The inventory has a row for every column of the schema, and for nothing else.
func TestTheInventoryIsTheSchema(t *testing.T) {
	t.Parallel()
	columns := map[string]bool{}
	for scanner := bufio.NewScanner(strings.NewReader(read(t, "../migrations/schema.txt"))); scanner.Scan(); {
		fields := strings.Fields(scanner.Text())
		own := len(fields) > 1 && !strings.HasPrefix(fields[1], "goose_db_version.") && !strings.HasPrefix(fields[1], "migration_checksums.")
		if own && fields[0] == "column" {
			columns[fields[1]] = true
		}
	}
	if len(columns) < 50 {
		t.Fatalf("%d columns; the schema is not read", len(columns))
	}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+\\.[a-z_0-9]+)` \\| [^|]+ \\| [^|]+ \\|$").FindAllStringSubmatch(read(t, "privacy.md"), -1) {
		if !columns[row[1]] {
			t.Errorf("privacy.md has a row for %s, which is not there, or two", row[1])
		}
		delete(columns, row[1])
	}
	for column := range columns {
		t.Errorf("privacy.md has no row for %s: say what it is, why, and how long", column)
	}
}

// A period that the documents name is the default of the variable.
func TestThePeriodsAreTheDefaults(t *testing.T) {
	t.Parallel()
	code := read(t, "../shared/retention/retention.go")
	defaults := map[string]string{}
	for _, found := range regexp.MustCompile(`env:"(RETENTION_[A-Z_]+)" envDefault:"([0-9]+)"`).FindAllStringSubmatch(code, -1) {
		defaults[found[1]] = found[2]
	}
	named := map[string]bool{}
	for _, found := range regexp.MustCompile("`(RETENTION_[A-Z_]+)` \\(([0-9]+)\\)").FindAllStringSubmatch(read(t, "privacy.md"), -1) {
		if defaults[found[1]] != found[2] {
			t.Errorf("%s is said to be %s, and is %q", found[1], found[2], defaults[found[1]])
		}
		named[found[1]] = true
	}
	for name := range defaults {
		if !named[name] {
			t.Errorf("privacy.md does not name %s", name)
		}
	}
}

// Every test that a document names exists.
func TestNamedTestsExist(t *testing.T) {
	t.Parallel()
	exists := map[string]bool{}
	test := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Za-z0-9]+)\(`)
	err := filepath.WalkDir("..", func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		for _, found := range test.FindAllStringSubmatch(read(t, path), -1) {
			exists[found[1]] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"privacy.md", "security.md"} {
		for _, found := range regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9]+)`").FindAllStringSubmatch(read(t, file), -1) {
			if !exists[found[1]] {
				t.Errorf("%s names %s, which is no test", file, found[1])
			}
		}
	}
}
