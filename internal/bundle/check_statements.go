package bundle

import (
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

// composed maps the functions that build a statement to its parts. None of them is input.
var composed = map[string]string{
	module + "/shared/retention.delete": "table, key and condition are constants of its rules; a table's name cannot be a parameter",
}

// checkStatements checks that every SQL statement is a constant, so that input can only be a parameter. DDL has no
// parameters: package migrations quotes role names, which its configuration restricts to letters, digits and
// underscores.
func (b *Bundle) checkStatements() []string {
	var problems problems
	for _, path := range sortedKeys(b.Packages) {
		if area, _, _ := strings.Cut(strings.TrimPrefix(path, module+"/"), "/"); area == "functions" || area == "shared" || area == "cmd" || path == module+"/internal/lists" {
			b.Packages[path].checkStatements(&problems)
		}
	}
	return problems
}

func (p *Package) checkStatements(problems *problems) {
	constants, takes := p.statements()
	for _, file := range p.Files {
		names := imports(file)
		for _, declaration := range file.Decls {
			f, ok := declaration.(*ast.FuncDecl)
			if ok && f.Body != nil && composed[p.Path+"."+f.Name.Name] == "" {
				p.checkBody(f, constants, takes, names, problems)
			}
		}
	}
}

func (p *Package) checkBody(f *ast.FuncDecl, constants map[string]bool, takes map[string]int, names map[string]string, problems *problems) {
	fixed := takes[f.Name.Name] > 0 // the parameter sql is checked at the caller
	ast.Inspect(f.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			fixed = fixed && !slices.ContainsFunc(n.Lhs, func(e ast.Expr) bool { return exprName(e) == "sql" })
		case *ast.CallExpr:
			i, ok := statementOf(n, names, takes)
			if !ok {
				return true
			}
			_, isLiteral := literal(n.Args, i)
			if name := exprName(n.Args[i]); !isLiteral && !constants[name] && (name != "sql" || !fixed) {
				problems.add("%s: the statement is built at run time: make it a constant, and pass values as parameters", p.at(n))
			}
		}
		return true
	})
}

// statements returns the package's constants, and for each function with a parameter named sql its position, starting
// at 1.
func (p *Package) statements() (constants map[string]bool, takes map[string]int) {
	constants, takes = map[string]bool{}, map[string]int{}
	for _, file := range p.Files {
		for _, declaration := range file.Decls {
			switch d := declaration.(type) {
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if values, ok := spec.(*ast.ValueSpec); ok && d.Tok == token.CONST {
						for _, name := range values.Names {
							constants[name.Name] = true
						}
					}
				}
			case *ast.FuncDecl:
				position := 0
				for _, field := range d.Type.Params.List {
					for _, name := range field.Names {
						if position++; name.Name == "sql" {
							takes[d.Name.Name] = position
						}
					}
				}
			}
		}
	}
	return constants, takes
}

// statementOf returns the index of the argument that is a statement, in a call of pgx or of a function that passes it
// on.
func statementOf(call *ast.CallExpr, names map[string]string, takes map[string]int) (int, bool) {
	called := exprName(call.Fun)
	i := takes[called] - 1
	if selector, ok := call.Fun.(*ast.SelectorExpr); ok && i < 0 && names[exprName(selector.X)] == "" {
		switch called {
		case "Queue": // of a pgx.Batch
			i = 0
		case "Exec", "Query", "QueryRow", "Prepare": // of a connection, after the context
			i = 1
		}
	}
	return i, i >= 0 && i < len(call.Args)
}
