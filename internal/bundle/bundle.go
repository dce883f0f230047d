// Package bundle checks that template.yaml, the functions' code, their sample events, the OpenAPI document and the
// record of each function's settings agree.
//
// It reads the sources themselves, so a new function, route or variable is checked from its first commit. Each problem
// names its place and the fix. A source that cannot be read is an error.
package bundle

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"newsletter/internal/samtemplate"
	"newsletter/internal/settings"
)

// A Bundle holds the inputs of the checks.
type Bundle struct {
	Root      string
	Template  *samtemplate.Template
	Functions map[string]*Function // by directory name
	Packages  map[string]*Package  // of this module, by import path
	Events    map[string][]Event   // by directory name
	Contract  map[string][]string  // documented methods by path, in upper case
	ProblemTypes
}

// A Function describes the code of one function.
type Function struct {
	Name      string
	Deps      []string // import paths, including the standard library's
	Routes    []Route
	Variables []settings.Variable // recorded by running it
	Calls     []Call
}

// A Route is a path that a function serves, with the methods that have a handler.
type Route struct {
	Path    string
	Methods []string
}

// Load reads the module at root.
func Load(root string) (*Bundle, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	b := &Bundle{Root: root, Functions: map[string]*Function{}}
	if b.Template, err = samtemplate.Load(filepath.Join(root, "template.yaml")); err != nil {
		return nil, err
	}
	names, err := FunctionNames(root)
	if err != nil {
		return nil, err
	}
	listed, err := listPackages(root)
	if err != nil {
		return nil, err
	}
	code, err := readCode(root, listed)
	if err != nil {
		return nil, err
	}
	b.Packages = code.packages
	for _, name := range names {
		if b.Functions[name], err = code.function(name); err != nil {
			return nil, fmt.Errorf("functions/%s: %w", name, err)
		}
	}
	if b.Events, err = readEvents(root); err != nil {
		return nil, err
	}
	b.Contract, b.ProblemTypes, err = readContract(root, code)
	return b, err
}

// FunctionNames returns the directories of functions/, sorted.
func FunctionNames(root string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(root, "functions"))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, entry := range entries {
		if entry.IsDir() && !strings.HasPrefix(entry.Name(), ".") {
			names = append(names, entry.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}
