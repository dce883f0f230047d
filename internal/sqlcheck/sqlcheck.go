// Package sqlcheck prepares every SQL constant of a package against the migrated schema, so that an untested
// statement cannot be invalid.
package sqlcheck

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Prepare asks the server to parse and plan each string constant of the package in folder whose name ends in SQL,
// except those in tests. It fails the test for each refused statement, and if there are no constants.
func Prepare(t *testing.T, conn *pgx.Conn, folder string) {
	t.Helper()
	statements := constants(t, folder)
	if len(statements) == 0 {
		t.Fatalf("no SQL constants in %s", folder)
	}
	for name, sql := range statements {
		if _, err := conn.Prepare(t.Context(), name, sql); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func constants(t *testing.T, folder string) map[string]string {
	t.Helper()
	shipped := func(file fs.FileInfo) bool { return !strings.HasSuffix(file.Name(), "_test.go") }
	packages, err := parser.ParseDir(token.NewFileSet(), folder, shipped, 0) //nolint:staticcheck // build tags do not matter here
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, pkg := range packages {
		ast.Inspect(pkg, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			for i, name := range spec.Names {
				if !strings.HasSuffix(name.Name, "SQL") || i >= len(spec.Values) {
					continue
				}
				literal, ok := spec.Values[i].(*ast.BasicLit)
				if !ok || literal.Kind != token.STRING {
					t.Errorf("%s is not one string literal", name.Name)
					continue
				}
				text, err := strconv.Unquote(literal.Value)
				if err != nil {
					t.Fatal(err)
				}
				found[name.Name] = text
			}
			return true
		})
	}
	return found
}
