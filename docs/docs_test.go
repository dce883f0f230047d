package docs_test

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"newsletter/internal/local/samtemplate"
	"newsletter/shared/config"
	"newsletter/shared/retention"
)

func read(t *testing.T, file string) string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// TestInventoryMatchesSchema checks that the inventory has exactly one row for every column of the schema.
func TestInventoryMatchesSchema(t *testing.T) {
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
		t.Fatalf("%d columns; the schema was not read", len(columns))
	}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+\\.[a-z_0-9]+)` \\| [^|]+ \\| [^|]+ \\|$").FindAllStringSubmatch(read(t, "privacy.md"), -1) {
		if !columns[row[1]] {
			t.Errorf("privacy.md has a duplicate row for %s, or the column does not exist", row[1])
		}
		delete(columns, row[1])
	}
	for column := range columns {
		t.Errorf("privacy.md has no row for %s: describe it, its purpose and its retention", column)
	}
}

// TestSecretsAreListed compares the secrets in operate.md with the template.
func TestSecretsAreListed(t *testing.T) {
	t.Parallel()
	template, err := samtemplate.Load("../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([A-Za-z]+SecretArn)` \\| (.+) \\| (.+) \\|$").FindAllStringSubmatch(read(t, "operate.md"), -1) {
		rows[row[1]] = strings.ReplaceAll(row[2], "`", "") + ": " + row[3]
	}
	for secret, variables := range template.SecretVariables {
		var readers []string
		for name, f := range template.Functions {
			if slices.Contains(f.Secrets, secret) {
				readers = append(readers, name)
			}
		}
		slices.Sort(readers)
		want := strings.Join(variables, ", ") + ": " + strings.Join(readers, ", ")
		if strings.HasSuffix(secret, "Arn") && rows[secret] != want {
			t.Errorf("operate.md: the row of %s is %q, want %q", secret, rows[secret], want)
		}
		delete(rows, secret)
	}
	for secret := range rows {
		t.Errorf("operate.md lists %s, which the template does not have", secret)
	}
}

// TestRetentionPeriodsMatchTheCode compares the retention periods in privacy.md with the code.
func TestRetentionPeriodsMatchTheCode(t *testing.T) {
	t.Parallel()
	text, keep := read(t, "privacy.md"), config.Read[retention.Config](config.FromMap(nil))
	for table, days := range map[string][]int{
		"subscribers": {keep.Unsubscribed}, "event_context": {keep.Context}, "email_log": {keep.EmailLog}, "erasures": {keep.Erasures},
		"privacy_requests": {keep.PrivacyRequests}, "outbox": {keep.Outbox, keep.DeadLetters}, "engagement_events": {keep.Engagement},
		"request_stats": {keep.Statistics}, "alerts": {keep.Statistics},
	} {
		_, section, _ := strings.Cut(text, "\n### "+table+"\n\n")
		sentence, _, _ := strings.Cut(section, "\n\n")
		for _, n := range days {
			if !strings.Contains(sentence, fmt.Sprintf("%d days", n)) {
				t.Errorf("privacy.md does not give %[2]d days as the retention period of %[1]s: %[3]q", table, n, sentence)
			}
		}
	}
}

// named matches test names in a text, with an optional package.
var named = regexp.MustCompile("`(?:([a-z0-9]+)\\.)?((?:Test|Fuzz)[A-Za-z0-9]+)`")

// tests returns all tests by name and by "package.name". The package is the directory; that of the root is newsletter.
func tests(t *testing.T) map[string]bool {
	t.Helper()
	exists := map[string]bool{}
	test := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Za-z0-9]+)\(`)
	err := filepath.WalkDir("..", func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		folder := filepath.Base(filepath.Dir(path))
		if folder == ".." {
			folder = "newsletter"
		}
		for _, found := range test.FindAllStringSubmatch(read(t, path), -1) {
			exists[found[1]], exists[folder+"."+found[1]] = true, true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return exists
}

// TestNamedTestsExist checks that every test named in a document exists.
func TestNamedTestsExist(t *testing.T) {
	t.Parallel()
	exists := tests(t)
	for _, file := range []string{"privacy.md", "security.md", "../CONTRIBUTING.md"} {
		for _, found := range named.FindAllStringSubmatch(read(t, file), -1) {
			if name := strings.Trim(found[0], "`"); !exists[name] {
				t.Errorf("%s names %s, which does not exist", file, name)
			}
		}
	}
}

// TestEveryRowNamesItsTest checks that every row of the two catalogues names an existing test with its package, or the
// reason why there is none, and that items are unique and sorted.
func TestEveryRowNamesItsTest(t *testing.T) {
	t.Parallel()
	page, exists := read(t, "security.md"), tests(t)
	digits := regexp.MustCompile(`\d+`)
	for _, catalogue := range []struct {
		heading string
		item    string // what the first column holds
		least   int    // rows
	}{
		{"OWASP API Security Top 10 (2023)", `API\d+ [a-zA-Z ]+`, 10},
		{"ASVS 5.0, what applies", `\d+\.\d+\.\d+((, |–)\d+\.\d+\.\d+)*`, 100},
	} {
		_, section, _ := strings.Cut(page, "## "+catalogue.heading+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		rows := regexp.MustCompile(`(?m)^\| .*$`).FindAllString(section, -1)
		if len(rows) < catalogue.least+2 {
			t.Fatalf("%s: %d rows; the table was not read", catalogue.heading, len(rows))
		}
		item, last := regexp.MustCompile("^"+catalogue.item+"$"), ""
		for _, row := range rows[2:] { // below the heading and its line
			cells := strings.Split(strings.Trim(row, "| "), " | ")
			first, shown := cells[0], cells[len(cells)-1]
			sorted := digits.ReplaceAllStringFunc(first, func(n string) string { return strings.Repeat("0", 3-len(n)) + n })
			if !item.MatchString(first) || len(cells) < 3 || sorted <= last {
				t.Errorf("%s: %q is not an item, has too few cells, or is out of order", catalogue.heading, first)
			}
			last = sorted
			here := slices.ContainsFunc(named.FindAllStringSubmatch(shown, -1), func(found []string) bool {
				return found[1] != "" && exists[found[1]+"."+found[2]]
			})
			if reason, admitted := strings.CutPrefix(shown, "not shown by a test: "); !here && (!admitted || len(reason) < 10) {
				t.Errorf("%s, %s: name a test, or write \"not shown by a test:\" and the reason", catalogue.heading, first)
			}
		}
	}
}
