package bundle

import (
	"cmp"
	"fmt"
	"go/ast"
	"slices"
	"strings"

	"newsletter/internal/settings"
)

const httpapi = module + "/shared/httpapi"

// function describes the code of one function.
func (c *code) function(name string) (*Function, error) {
	path := module + "/functions/" + name
	if c.packages[path] == nil {
		return nil, fmt.Errorf("no Go package builds here")
	}
	f := &Function{Name: name, Deps: c.listed[path].Deps}
	var err error
	if f.Routes, err = c.routes(name); err != nil {
		return nil, err
	}
	if f.Calls, err = c.calls(name); err != nil {
		return nil, err
	}
	f.Variables = settings.Reads(name)
	return f, nil
}

// routes finds the httpapi.Route literals of a function's own package. Their paths must be constants.
func (c *code) routes(function string) ([]Route, error) {
	var all []Route
	var problem error
	p := c.packages[module+"/functions/"+function]
	for _, file := range p.Files {
		names := imports(file)
		ast.Inspect(file, func(n ast.Node) bool {
			value, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			kind, ok := value.Type.(*ast.SelectorExpr)
			if !ok || kind.Sel.Name != "Route" {
				return true
			}
			if x, ok := kind.X.(*ast.Ident); !ok || names[x.Name] != httpapi {
				return true
			}
			route, err := c.route(p, value)
			problem = cmp.Or(problem, err)
			all = append(all, route)
			return true
		})
	}
	slices.SortFunc(all, func(a, b Route) int { return cmp.Compare(a.Path, b.Path) })
	return all, problem
}

func (c *code) route(p *Package, value *ast.CompositeLit) (Route, error) {
	var route Route
	for _, element := range value.Elts {
		pair, ok := element.(*ast.KeyValueExpr)
		if !ok {
			return route, fmt.Errorf("%s: name the fields of the route", p.at(value))
		}
		switch field := exprName(pair.Key); field {
		case "AllowBypass": // from where, not what
		case "Path":
			if route.Path = p.text(pair.Value); route.Path == "" {
				return route, fmt.Errorf("%s: the path must be a string or a constant of this package", p.at(value))
			}
		default:
			route.Methods = append(route.Methods, field)
		}
	}
	slices.Sort(route.Methods)
	return route, nil
}

// text returns the value of a string literal or of a constant of the package, else "".
func (p *Package) text(e ast.Expr) string {
	if value, ok := literal([]ast.Expr{e}, 0); ok {
		return value
	}
	name, ok := e.(*ast.Ident)
	if !ok {
		return ""
	}
	found := ""
	for _, file := range p.Files {
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			for i, id := range spec.Names {
				if id.Name == name.Name {
					if value, ok := literal(spec.Values, i); ok {
						found = value
					}
				}
			}
			return true
		})
	}
	return found
}

// problemTypes finds the problem types that the code returns: httpapi.NewProblem("name", …) anywhere, and the types of
// other registries that httpapi sets itself.
func (c *code) problemTypes() map[string]string {
	types := map[string]string{}
	api := c.packages[httpapi]
	prefix := api.text(&ast.Ident{Name: "problemPrefix"})
	for _, path := range sortedKeys(c.packages) {
		p := c.packages[path]
		for _, file := range p.Files {
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.CallExpr:
					if name, ok := literal(n.Args, 0); ok && exprName(n.Fun) == "NewProblem" {
						types[prefix+name] = p.at(n)
					}
				case *ast.KeyValueExpr:
					if p == api && exprName(n.Key) == "Type" && strings.HasPrefix(p.text(n.Value), "https://") {
						types[p.text(n.Value)] = p.at(n)
					}
				}
				return true
			})
		}
	}
	return types
}
