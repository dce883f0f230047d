package bundle

import (
	"fmt"
	"go/ast"
	"go/types"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// Variable is one environment variable as the code declares it: a field with an `env` tag, or a call of os.Getenv.
type Variable struct {
	Name     string
	Field    string // of the struct
	Type     string // as written: "time.Duration"
	Default  string
	Required bool
	Sealed   bool // a secret
	Doc      string
	Package  string // import path
}

// Use is a variable that a function reads.
type Use struct {
	Variable
	At string
}

// Variables lists the variables that the deployed code declares, by package and in the order of their fields.
func (b *Bundle) Variables() []Variable {
	var all []Variable
	for _, path := range sortedKeys(b.Packages) {
		if strings.HasPrefix(path, module+"/internal/") || strings.HasPrefix(path, module+"/cmd/") {
			continue
		}
		for _, s := range b.Packages[path].configs() {
			all = append(all, s.fields...)
		}
	}
	return all
}

// config is a struct with `env` tags.
type config struct {
	name   string
	fields []Variable
}

// configs finds the structs with `env` tags of a package.
func (p *Package) configs() []config {
	var all []config
	for _, file := range p.Files {
		for _, declaration := range file.Decls {
			general, ok := declaration.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range general.Specs {
				named, ok := spec.(*ast.TypeSpec)
				if !ok {
					continue
				}
				if structure, ok := named.Type.(*ast.StructType); ok {
					if fields := p.tagged(structure); len(fields) > 0 {
						all = append(all, config{named.Name.Name, fields})
					}
				}
			}
		}
	}
	return all
}

func (p *Package) tagged(structure *ast.StructType) []Variable {
	var fields []Variable
	for _, field := range structure.Fields.List {
		if field.Tag == nil {
			continue
		}
		text, _ := strconv.Unquote(field.Tag.Value)
		tag := reflect.StructTag(text)
		value, found := tag.Lookup("env")
		if !found || value == "-" {
			continue
		}
		name, options, _ := strings.Cut(value, ",")
		v := Variable{
			Name:     name,
			Field:    field.Names[0].Name,
			Type:     types.ExprString(field.Type),
			Default:  tag.Get("envDefault"),
			Required: slices.Contains(strings.Split(options, ","), "required"),
			Doc:      strings.TrimSpace(field.Doc.Text()),
			Package:  p.Path,
		}
		v.Sealed = strings.HasSuffix(v.Type, "Sealed")
		fields = append(fields, v)
	}
	return fields
}

// variables finds what a function reads. A function that is called and that reads a struct through config.Env.Read
// counts with the whole struct, unless the call names a field of it (token.ReadRing(env, token.Confirm)): then with
// that field alone. Methods count as called when any call in their package has their name.
func (c *code) variables(function string) ([]Use, error) {
	r := reach{code: c, seen: map[string]bool{}, uses: map[string]Use{}}
	main := c.packages[module+"/functions/"+function]
	for _, file := range main.Files {
		for _, declaration := range file.Decls {
			if f, ok := declaration.(*ast.FuncDecl); ok {
				r.function(main, file, f, "")
			}
		}
	}
	if len(r.problems) > 0 {
		return nil, fmt.Errorf("find the variables: %s", strings.Join(r.problems, "; "))
	}
	var all []Use
	for _, name := range sortedKeys(r.uses) {
		all = append(all, r.uses[name])
	}
	return all, nil
}
