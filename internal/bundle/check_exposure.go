package bundle

import (
	"slices"
	"strings"
)

// public are the functions that strangers may call. The others act for the owner: whoever could call them might migrate the
// database, send all mails, or suppress people.
var public = []string{"confirm", "health", "privacy", "subscribe", "unsubscribe"}

// checkExposure wants the one HTTP API to be the one way in, and to lead to public functions alone. What has no route can be
// called by whom IAM allows it.
func (b *Bundle) checkExposure() []string {
	var problems problems
	for _, name := range sortedKeys(b.Template.Functions) {
		f := b.Template.Functions[name]
		if len(f.Routes) > 0 && !slices.Contains(public, name) {
			problems.add("template.yaml: %s has the route %s, and is not for strangers: take it out", f.ID, f.Routes[0].Path)
		}
		if _, set := f.Properties["FunctionUrlConfig"]; set {
			problems.add("template.yaml: %s has a URL of its own, past the limits and the log of the API: take FunctionUrlConfig out", f.ID)
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
			problems.add("template.yaml: %s is another way in: routes belong to the one HTTP API", id)
		case kind == "AWS::Lambda::Permission" && principal == "*":
			problems.add("template.yaml: %s lets everybody invoke a function: name the service", id)
		}
	}
	if apis != 1 {
		problems.add("template.yaml: %d HTTP APIs, want one", apis)
	}
	return problems
}
