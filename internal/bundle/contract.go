package bundle

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
)

// ProblemTypes holds the problem types that the code returns and those that the OpenAPI document lists.
type ProblemTypes struct {
	Coded      map[string]string // type to place in the code
	Documented []string
}

// readContract reads docs/openapi.yaml: the documented methods of each path, and the problem types.
func readContract(root string, c *code) (map[string][]string, ProblemTypes, error) {
	document, err := openapi3.NewLoader().LoadFromFile(filepath.Join(root, "docs", "openapi.yaml"))
	if err != nil {
		return nil, ProblemTypes{}, fmt.Errorf("docs/openapi.yaml: %w", err)
	}
	methods := map[string][]string{}
	for path, item := range document.Paths.Map() {
		for method := range item.Operations() {
			methods[path] = append(methods[path], strings.ToUpper(method))
		}
		slices.Sort(methods[path])
	}
	types := ProblemTypes{Coded: c.problemTypes()}
	problem := document.Components.Schemas["Problem"]
	if problem == nil || problem.Value.Properties["type"] == nil {
		return nil, types, fmt.Errorf("docs/openapi.yaml: the schema Problem with its member type is missing")
	}
	for _, value := range problem.Value.Properties["type"].Value.Enum {
		types.Documented = append(types.Documented, fmt.Sprint(value))
	}
	return methods, types, nil
}
