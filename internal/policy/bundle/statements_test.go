package bundle

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const verbs = `(select|insert into|update|delete from|truncate|drop|alter|create|with) [^"` + "`" + `]*`

// composed matches a statement that is formatted, or joined with a value: SQL is constant, and values are parameters.
var composed = regexp.MustCompile(`(?s)(Sprintf\(\s*["` + "`" + `]\s*` + verbs + `|["` + "`" + `]\s*` + verbs + `["` + "`" + `]\s*\+\s*[a-z(])`)

// constants matches constants, which the compiler composes.
var constants = regexp.MustCompile(`(?ms)^\t*const \(.*?^\t*\)|^\t*const \w+ = .*?\n\n`)

// composers lists the files that build a statement, with the reason. None of its parts is input.
var composers = map[string]string{
	"shared/retention/retention.go": "the parts are constants of its rules; the name of a table cannot be a parameter",
}

// TestStatementsAreConstants finds composed statements in the text of all code that talks to the database, except DDL,
// which has no parameters: migrations quotes role names, which its configuration restricts.
func TestStatementsAreConstants(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"b.Queue(\"delete from outbox where id = '\" + id + \"'\")": true,
		`c.Exec(ctx, fmt.Sprintf("drop table %s", t))`:              true,
		"b.Queue(`\nselect 1 from `+table)":                         true,
		`b.Queue("delete from outbox where id = $1", id)`:           false,
		"const allSQL = `select a from b where ` + dueSQL":          true,
		`fmt.Sprintf("%d rows updated", n)`:                         false,
	} {
		if composed.MatchString(text) != want {
			t.Errorf("%s: composed %v, want %v", text, !want, want)
		}
	}
	for _, pattern := range []string{"functions/*/*.go", "shared/*/*.go", "cmd/*/*.go", "cmd/newsletter/internal/lists/*.go"} {
		files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %v", pattern, err)
		}
		for _, file := range slices.DeleteFunc(files, func(f string) bool { return strings.HasSuffix(f, "_test.go") }) {
			code, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			name, _ := filepath.Rel(root, file)
			if found := composed.Find(constants.ReplaceAll(code, nil)); found != nil && composers[filepath.ToSlash(name)] == "" {
				t.Errorf("%s: make this statement a constant, and pass values as parameters: %.80s", name, found)
			}
		}
	}
}
