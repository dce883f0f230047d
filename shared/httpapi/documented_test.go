package httpapi

import (
	"fmt"
	"slices"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"newsletter/docs"
)

// TestEveryProblemIsDocumented compares the types of all problems with docs/openapi.yaml. Two of them are only in
// answers.
func TestEveryProblemIsDocumented(t *testing.T) {
	t.Parallel()
	document, err := openapi3.NewLoader().LoadFromData(docs.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	var documented, returned []string
	for _, kind := range document.Components.Schemas["Problem"].Value.Properties["type"].Value.Enum {
		documented = append(documented, fmt.Sprint(kind))
	}
	for _, p := range []*Problem{
		Invalid(), NotFound(), LinkEnded(""), Limited(nil, 0, nil), Busy(0), Unavailable(0, nil), internalError(), malformed(""), tooLarge(), unsupported(""),
		Unauthorized(), MissingScope(""), KeyInPage(), Unsigned(),
	} {
		returned = append(returned, p.Type)
	}
	for method, api := range map[string]*API{"DELETE": newTestAPI(), "GET": newProxyAPI(t, proxySecret, "")} {
		returned = append(returned, readProblem(t, api.Serve(t.Context(), newEvent(method, jsonPath))).Type)
	}
	slices.Sort(documented)
	slices.Sort(returned)
	if !slices.Equal(documented, returned) {
		t.Errorf("docs/openapi.yaml has\n%v, the code\n%v", documented, returned)
	}
}
