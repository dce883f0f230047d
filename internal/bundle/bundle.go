// Package bundle holds the checks of the whole: template.yaml, the functions' code, their sample events, the OpenAPI
// document and the record of what each function reads must say the same.
//
// Everything is read from the sources, nothing is listed a second time, so that a new function, route or variable is
// checked from its first commit. Each problem names the place and says what to do. A source that cannot be read is an
// error, never a check that passes.
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

// Bundle is all that the checks look at.
type Bundle struct {
	Root      string
	Template  *samtemplate.Template
	Functions map[string]*Function // by directory name
	Packages  map[string]*Package  // of this module, by import path
	Events    map[string][]Event   // by directory name
	Contract  map[string][]string  // documented methods by path, in upper case
	ProblemTypes
}

// Function is what the code of one function says.
type Function struct {
	Name      string
	Deps      []string // import paths, the standard library's included
	Routes    []Route
	Variables []settings.Variable // by the record of its own run
	Calls     []Call
}

// Route is a path that the function's code serves, with the methods that it has handlers for.
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

// FunctionNames lists the directories of functions/.
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
