package bundle

import (
	"go/ast"
	"go/token"
	"slices"
	"strconv"
	"strings"
)

// reach walks the functions that a main package can call, and notes which variables they read.
type reach struct {
	code     *code
	seen     map[string]bool
	uses     map[string]Use
	problems []string
}

// function walks the body of f. field, if not empty, names the one field that a struct read in it is read for.
func (r *reach) function(p *Package, file *ast.File, f *ast.FuncDecl, field string) {
	key := p.Path + "." + receiver(f) + f.Name.Name + "/" + field
	if r.seen[key] || f.Body == nil {
		return
	}
	r.seen[key] = true
	names := imports(file)
	locals, called := locals(f.Body), map[ast.Expr]bool{}
	ast.Inspect(f.Body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CallExpr:
			called[n.Fun] = true
			r.call(p, names, locals, n, field)
		case *ast.SelectorExpr: // a function handed on as a value
			if x, ok := n.X.(*ast.Ident); ok && !called[n] && ours(names[x.Name]) {
				r.called(r.code.packages[names[x.Name]], n.Sel.Name, "")
			}
		}
		return true
	})
}

func (r *reach) call(p *Package, names map[string]string, locals map[string]string, call *ast.CallExpr, field string) {
	for _, argument := range call.Args {
		if name, ok := argument.(*ast.Ident); ok { // it may be a function
			r.called(p, name.Name, "")
		}
	}
	switch f := call.Fun.(type) {
	case *ast.Ident:
		r.called(p, f.Name, argumentField(call))
	case *ast.IndexExpr:
		if name, ok := f.X.(*ast.Ident); ok {
			r.called(p, name.Name, "")
		}
	case *ast.SelectorExpr:
		x, isName := f.X.(*ast.Ident)
		path := ""
		if isName {
			path = names[x.Name]
		}
		switch {
		case f.Sel.Name == "Lookup" || path == "os" && (f.Sel.Name == "Getenv" || f.Sel.Name == "LookupEnv"):
			if name, ok := literal(call.Args, 0); ok && name == strings.ToUpper(name) {
				r.use(Variable{Name: name, Package: p.Path}, p.at(call))
			}
		case ours(path):
			r.called(r.code.packages[path], f.Sel.Name, argumentField(call))
		case f.Sel.Name == "Read" && len(call.Args) == 1:
			r.read(p, locals, call, field)
		default:
			r.called(p, f.Sel.Name, "")
		}
	}
}

// called walks every function and method of that name in a package.
func (r *reach) called(p *Package, name, field string) {
	if p == nil {
		return
	}
	for _, file := range p.Files {
		for _, declaration := range file.Decls {
			if f, ok := declaration.(*ast.FuncDecl); ok && f.Name.Name == name {
				r.function(p, file, f, field)
			}
		}
	}
}

// read notes the variables of the struct that env.Read(&v) fills.
func (r *reach) read(p *Package, locals map[string]string, call *ast.CallExpr, field string) {
	pointer, ok := call.Args[0].(*ast.UnaryExpr)
	if !ok || pointer.Op != token.AND {
		return
	}
	variable, ok := pointer.X.(*ast.Ident)
	if !ok {
		r.problems = append(r.problems, p.at(call)+": give Read the address of a local variable, so that the variables can be found")
		return
	}
	configs := p.configs()
	i := slices.IndexFunc(configs, func(c config) bool { return c.name == locals[variable.Name] })
	if i < 0 {
		return // not a configuration
	}
	for _, v := range configs[i].fields {
		named := slices.ContainsFunc(configs[i].fields, func(v Variable) bool { return v.Field == field })
		if !named || v.Field == field {
			r.use(v, p.at(call))
		}
	}
}

func (r *reach) use(v Variable, at string) {
	if _, known := r.uses[v.Name]; !known || v.Doc != "" {
		r.uses[v.Name] = Use{v, at}
	}
}

// locals maps the variables that a body declares with `var v T` or `v := T{…}` to the name of T.
func locals(body *ast.BlockStmt) map[string]string {
	types := map[string]string{}
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ValueSpec:
			if name, ok := n.Type.(*ast.Ident); ok {
				for _, variable := range n.Names {
					types[variable.Name] = name.Name
				}
			}
		case *ast.AssignStmt:
			if len(n.Lhs) != 1 || len(n.Rhs) != 1 {
				return true
			}
			variable, isName := n.Lhs[0].(*ast.Ident)
			value, isLiteral := n.Rhs[0].(*ast.CompositeLit)
			if isName && isLiteral {
				if name, ok := value.Type.(*ast.Ident); ok {
					types[variable.Name] = name.Name
				}
			}
		}
		return true
	})
	return types
}

// argumentField is the last part of a call's second argument, where that is a name: "Confirm" of
// ReadRing(env, token.Confirm).
func argumentField(call *ast.CallExpr) string {
	if len(call.Args) != 2 {
		return ""
	}
	switch argument := call.Args[1].(type) {
	case *ast.Ident:
		return argument.Name
	case *ast.SelectorExpr:
		return argument.Sel.Name
	}
	return ""
}

func receiver(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	return strings.TrimPrefix(exprName(f.Recv.List[0].Type), "*") + "."
}

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
