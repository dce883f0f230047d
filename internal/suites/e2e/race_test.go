//go:build race

package e2e

// buildFlags builds the functions like the tests.
var buildFlags = []string{"-race"}
