package bundle

import (
	"slices"
	"strings"
)

// public lists the functions that may have a route. The others act for the owner: a visitor who could call them could
// migrate the database, send all emails or suppress subscribers.
var public = []string{"confirm", "health", "privacy", "subscribe", "unsubscribe"}

// checkExposure checks that the HTTP API is the only entry point and that only public functions have routes. IAM
// decides who may call the others.
func (b *Bundle) checkExposure() []string {
	var problems problems
	for _, name := range sortedKeys(b.Template.Functions) {
		f := b.Template.Functions[name]
		if len(f.Routes) > 0 && !slices.Contains(public, name) {
			problems.add("template.yaml: %s has the route %s, but is not public: remove it", f.ID, f.Routes[0].Path)
		}
		if _, set := f.Properties["FunctionUrlConfig"]; set {
			problems.add("template.yaml: %s has a function URL, which bypasses the API's limits and log: remove FunctionUrlConfig", f.ID)
		}
	}
	apis := 0
	for _, id := range sortedKeys(b.Template.Resources) {
		resource := mapping(b.Template.Resources[id])
		kind, _ := resource["Type"].(string)
		principal := mapping(resource["Properties"])["Principal"]
		switch {
		case kind == "AWS::Serverless::HttpApi":
			apis++
		case kind == "AWS::Lambda::Url", kind == "AWS::Serverless::Api", strings.HasPrefix(kind, "AWS::ApiGateway"),
			strings.HasPrefix(kind, "AWS::ElasticLoadBalancing"):
			problems.add("template.yaml: %s is another entry point: routes belong to the HTTP API", id)
		case kind == "AWS::Lambda::Permission" && principal == "*":
			problems.add("template.yaml: %s lets anyone invoke a function: name the service", id)
		}
	}
	if apis != 1 {
		problems.add("template.yaml: %d HTTP APIs, want one", apis)
	}
	return problems
}
