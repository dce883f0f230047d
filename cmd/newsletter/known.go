package main

import (
	"fmt"
	"slices"
	"strings"
)

// checkKnown returns an errUsage that lists the known values if value is not among them.
func checkKnown[T ~string](what string, value T, known []T) error {
	if slices.Contains(known, value) {
		return nil
	}
	names := make([]string, len(known))
	for i, name := range known {
		names[i] = string(name)
	}
	slices.Sort(names)
	return errUsage(fmt.Sprintf("unknown %s %q; known: %s", what, string(value), strings.Join(slices.Compact(names), ", ")))
}
