// Package record contains the variables that each function reads and the routes that it serves. `make generate` writes
// the tables from a run of each function.
package record

import "slices"

// Variables are the names of a function's variables, by the place where they are set.
type Variables struct {
	Settings       []string // settings/<environment>.toml
	Secrets        []string // Secrets Manager or the environment
	Infrastructure []string // template.yaml
	Local          []string // the local stack and tests
}

// All lists all names in order.
func (v Variables) All() []string {
	return slices.Sorted(slices.Values(slices.Concat(v.Settings, v.Secrets, v.Infrastructure, v.Local)))
}
