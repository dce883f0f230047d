package apikey

import (
	"fmt"
	"strings"
)

// Scopes is a set of what a key may do. Its numbers are part of the keys and never change.
type Scopes byte

// The scopes.
const (
	SignUp       Scopes = 1 // sign people up
	Suppressions Scopes = 2 // report unsubscribes, bounces and complaints
	Read         Scopes = 4 // look subscribers up by their ids
)

// scopes lists the scopes with their names.
var scopes = []struct {
	scope Scopes
	name  string
}{{SignUp, "signup"}, {Suppressions, "suppressions"}, {Read, "read"}}

// Has reports whether s has all scopes of other.
func (s Scopes) Has(other Scopes) bool { return s&other == other }

// Names returns the names of the scopes.
func (s Scopes) Names() []string {
	names := []string{}
	for _, one := range scopes {
		if s.Has(one.scope) {
			names = append(names, one.name)
		}
	}
	return names
}

// String returns the names, separated by commas.
func (s Scopes) String() string { return strings.Join(s.Names(), ",") }

// ParseScopes returns the scopes of names. The error lists the known ones.
func ParseScopes(names []string) (Scopes, error) {
	var parsed Scopes
	for _, name := range names {
		known := false
		for _, one := range scopes {
			if one.name == name {
				parsed, known = parsed|one.scope, true
			}
		}
		if !known {
			return 0, fmt.Errorf("unknown scope %q; known: %v", name, (SignUp | Suppressions | Read))
		}
	}
	return parsed, nil
}
