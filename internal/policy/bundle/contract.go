package bundle

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// readContract returns the documented methods of each path in docs/openapi.yaml.
func readContract(root string) (map[string][]string, error) {
	document, err := openapi3.NewLoader().LoadFromFile(filepath.Join(root, "docs", "openapi.yaml"))
	if err != nil {
		return nil, fmt.Errorf("docs/openapi.yaml: %w", err)
	}
	methods := map[string][]string{}
	for path, item := range document.Paths.Map() {
		for method := range item.Operations() {
			methods[path] = append(methods[path], strings.ToUpper(method))
		}
	}
	return methods, nil
}

// checkContract checks that the functions and docs/openapi.yaml have the same routes.
func (b *bundle) checkContract() []string {
	var problems problems
	var served, documented []string
	for _, name := range sortedKeys(b.Functions) {
		for _, route := range b.Functions[name].Routes {
			_, path, _ := strings.Cut(route, " ")
			served = append(served, route, "OPTIONS "+path)
		}
	}
	for path, methods := range b.Contract {
		for _, method := range methods {
			documented = append(documented, method+" "+path)
		}
	}
	slices.Sort(served)
	slices.Sort(documented)
	for _, route := range slices.Compact(served) {
		if !slices.Contains(documented, route) {
			problems.add("docs/openapi.yaml does not describe %s, which a function handles: add it", route)
		}
	}
	for _, route := range documented {
		if !slices.Contains(served, route) {
			problems.add("docs/openapi.yaml describes %s, which no function handles: remove it", route)
		}
	}
	return problems
}
