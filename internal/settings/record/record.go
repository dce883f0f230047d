// Package record is which variables each function reads. The table is made by `make generate` from a run of each function.
package record

import "slices"

// Variables are the names of the variables that a function reads, by where they are given.
type Variables struct {
	Settings       []string // settings/<environment>.toml
	Secrets        []string // Secrets Manager or the environment
	Infrastructure []string // template.yaml
	Local          []string // the local stack and tests
}

// All lists all names, in their order.
func (v Variables) All() []string {
	return slices.Sorted(slices.Values(slices.Concat(v.Settings, v.Secrets, v.Infrastructure, v.Local)))
}
