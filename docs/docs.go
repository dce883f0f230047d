// Package docs holds the description of the public API, for the local stack, which serves it, and for the tests, which
// compare every real answer with it.
package docs

import _ "embed"

// OpenAPI is docs/openapi.yaml.
//
//go:embed openapi.yaml
var OpenAPI []byte
