package settings

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"newsletter/shared/config"
)

// Read reads settings/<environment>.toml below root and checks it with the code that the functions run. It returns the
// values by variable name, in the form of environment variables. The error lists every problem with its line, the
// rule and
// an example.
func Read(root, environment string) (map[string]string, error) {
	name := "settings/" + environment + ".toml"
	content, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is missing; run `cp settings/example.toml %s` and fill it in, or set ENVIRONMENT to another environment", name, name)
	}
	if err != nil {
		return nil, err
	}
	f := parse(name, content)
	if len(f.lines) > 0 || len(f.problems) == 0 { // else it is not TOML
		f.check()
	}
	return f.values, f.err()
}

// check reads every struct from the file alone. It ignores errors in secrets and in values of the template.
func (f *file) check() {
	env := config.FromSettings(f.values)
	for _, g := range groups {
		for _, structure := range g.structs {
			env.Read(reflect.New(reflect.TypeOf(structure)).Interface())
		}
	}
	for _, err := range env.Problems() {
		m, ok := errors.AsType[*config.Mistake](err)
		if !ok {
			f.problems = append(f.problems, problem{0, err.Error()})
			continue
		}
		if v, known := find(m.Name); known && v.Kind == File && !f.refused[m.Name] {
			rule := strings.TrimPrefix(m.Err.Error(), m.Name+": ")
			f.add(v.Key(), "%s: %s (example: %s)", v.Key(), inFile(rule), v.Literal(v.Example))
		}
	}
}

// inFile replaces the names of variables by their keys in a file.
func inFile(text string) string {
	for _, v := range all() {
		if v.Kind == File {
			text = strings.ReplaceAll(text, v.Name, v.Key())
		}
	}
	return text
}

// err joins the problems, ordered by line.
func (f *file) err() error {
	slices.SortFunc(f.problems, func(a, b problem) int { return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.text, b.text)) })
	var all []error
	for _, p := range f.problems {
		at := f.name
		if p.line > 0 {
			at = fmt.Sprintf("%s:%d", f.name, p.line)
		}
		all = append(all, fmt.Errorf("%s: %s", at, p.text))
	}
	return errors.Join(all...)
}

// Environments lists the environments that have a settings file below root.
func Environments(root string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(root, "settings", "*.toml"))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, file := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(file), ".toml"))
	}
	return names, nil
}
