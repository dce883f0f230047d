// Package bundle checks that the functions' code, template.yaml, the sample events and the OpenAPI document agree.
//
// It reads no Go source: what a function reads and serves is recorded from its run (internal/policy/settings/record),
// what it imports and links comes from `go list`, and what it calls at AWS from the linker (Binary). The template is
// checked as CloudFormation receives it, after SAM's translator (Stack). Each problem names its place and the fix. An
// input that cannot be read is an error.
package bundle

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"newsletter/internal/local/gobuild"
	"newsletter/internal/policy/settings"
	"newsletter/internal/policy/settings/record"
)

// module is the module path.
const module = "newsletter"

// A bundle holds what is known of the code, its sample events and its documents.
type bundle struct {
	Root      string
	Functions map[string]*function     // by directory name
	Packages  map[string]goPackage     // of this module, by import path
	Events    map[string][]sampleEvent // by directory name
	Contract  map[string][]string      // documented methods by path, in upper case
}

// A function records what one function reads, serves and links.
type function struct {
	Variables []settings.Variable
	Routes    []string // "GET /api/health"
	Deps      []string // import paths, including the standard library's
}

// A goPackage is the output of `go list -json` for a package.
type goPackage struct {
	ImportPath string
	Imports    []string
	Deps       []string // of the imports, too
}

// Load reads the module at root.
func Load(root string) (*bundle, error) {
	names, err := FunctionNames(root)
	if err != nil {
		return nil, err
	}
	b := &bundle{Root: root, Functions: map[string]*function{}}
	if b.Packages, err = listPackages(root); err != nil {
		return nil, err
	}
	for _, name := range names {
		b.Functions[name] = &function{settings.Reads(name), record.Routes[name], b.Packages[module+"/functions/"+name].Deps}
	}
	if b.Events, err = readEvents(root); err != nil {
		return nil, err
	}
	b.Contract, err = readContract(root)
	return b, err
}

// Problems returns the findings in the code, the sample events and the OpenAPI document.
func (b *bundle) Problems() []string {
	return slices.Concat(b.checkEvents(), b.checkContract(), b.checkImports())
}

// StackProblems returns the findings in a stack.
func (b *bundle) StackProblems(s *Stack) []string {
	return slices.Concat(b.checkFunctions(s), b.checkVariables(s), b.checkSecrets(s), b.checkRoles(s), b.checkTimeouts(s), b.checkRoutes(s),
		s.checkEntrances(), s.checkCallers(), s.checkData(), b.checkEvidence(s), s.checkQueues(), s.checkFeedback(), b.checkAlarms(s), b.checkDashboards(s))
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

// listPackages lists all packages of the module, with the functions' build tags and target.
func listPackages(root string) (map[string]goPackage, error) {
	cmd := exec.Command("go", "list", "-tags", gobuild.Tags, "-json=ImportPath,Imports,Deps", "./...")
	cmd.Dir, cmd.Env = root, gobuild.DeployedEnv("arm64")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("list the packages: %w\n%s", err, errs.String())
	}
	all := map[string]goPackage{}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("read the list of packages: %w", err)
		}
		all[p.ImportPath] = p
	}
}

// problems collects the findings of a check.
type problems []string

func (p *problems) add(format string, arguments ...any) {
	*p = append(*p, fmt.Sprintf(format, arguments...))
}
