package bundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"newsletter/internal/gobuild"
)

// module is the module path.
const module = "newsletter"

// A Package is a package of this module.
type Package struct {
	Path  string // import path
	Doc   string
	Deps  []string // import paths of all dependencies, including the standard library's
	Files []*ast.File
	fset  *token.FileSet
	root  string
}

// listed is the output of `go list -json` for a package.
type listed struct {
	ImportPath, Dir, Doc string
	GoFiles              []string
	Deps                 []string
	Standard             bool
}

// listPackages lists all packages of the module and their dependencies, with the functions' build tags and target.
func listPackages(root string) (map[string]listed, error) {
	cmd := exec.Command("go", "list", "-deps", "-tags", gobuild.Tags, "-json=ImportPath,Dir,Doc,GoFiles,Deps,Standard", "./...")
	cmd.Dir, cmd.Env = root, gobuild.DeployedEnv("arm64")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("list the packages: %w\n%s", err, errs.String())
	}
	all := map[string]listed{}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("read the list of packages: %w", err)
		}
		all[p.ImportPath] = p
	}
}

// code holds the parsed source of the module.
type code struct {
	packages map[string]*Package
	listed   map[string]listed
	fset     *token.FileSet
}

// readCode parses the files of every package of the module, except tests.
func readCode(root string, all map[string]listed) (*code, error) {
	c := &code{packages: map[string]*Package{}, listed: all, fset: token.NewFileSet()}
	for path, l := range all {
		if !ours(path) {
			continue
		}
		p := &Package{Path: path, Doc: l.Doc, Deps: l.Deps, fset: c.fset, root: root}
		for _, name := range l.GoFiles {
			file, err := parser.ParseFile(c.fset, filepath.Join(l.Dir, name), nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				return nil, err
			}
			p.Files = append(p.Files, file)
		}
		c.packages[path] = p
	}
	return c, nil
}

// shipped returns the packages of the module that a function links, its own first.
func (c *code) shipped(function string) []*Package {
	path := module + "/functions/" + function
	packages := []*Package{c.packages[path]}
	for _, dep := range c.listed[path].Deps {
		if ours(dep) {
			packages = append(packages, c.packages[dep])
		}
	}
	return packages
}

func ours(path string) bool { return path == module || strings.HasPrefix(path, module+"/") }

// at returns the place of a node, such as "shared/email/ses.go:12".
func (p *Package) at(n ast.Node) string {
	position := p.fset.Position(n.Pos())
	name, err := filepath.Rel(p.root, position.Filename)
	if err != nil {
		name = position.Filename
	}
	return fmt.Sprintf("%s:%d", filepath.ToSlash(name), position.Line)
}

// imports maps the names of a file's imports to their paths. The default name is the last element of the path, without
// a version.
func imports(file *ast.File) map[string]string {
	names := map[string]string{}
	for _, spec := range file.Imports {
		path := strings.Trim(spec.Path.Value, `"`)
		name := lastPart(path)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		names[name] = path
	}
	return names
}

func lastPart(path string) string {
	parts := strings.Split(path, "/")
	last := parts[len(parts)-1]
	if len(parts) > 1 && len(last) > 1 && last[0] == 'v' && strings.Trim(last[1:], "0123456789") == "" {
		last = parts[len(parts)-2]
	}
	return last
}

// exprName returns the last part of a name: Read for config.Read[T].
func exprName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.StarExpr:
		return exprName(e.X)
	case *ast.IndexExpr:
		return exprName(e.X)
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// literal returns the value of the i-th expression if it is a string literal.
func literal(arguments []ast.Expr, i int) (string, bool) {
	if i >= len(arguments) {
		return "", false
	}
	text, ok := arguments[i].(*ast.BasicLit)
	if !ok || text.Kind != token.STRING {
		return "", false
	}
	value, err := strconv.Unquote(text.Value)
	return value, err == nil
}
