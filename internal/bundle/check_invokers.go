package bundle

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"newsletter/internal/samtemplate"
)

// invokers maps resource types of a transformed template to a function that returns the references to the Lambda
// functions that the resource calls or may call.
var invokers = map[string]func(properties map[string]any) []any{
	"AWS::Lambda::Permission":         func(p map[string]any) []any { return []any{p["FunctionName"]} },
	"AWS::Lambda::EventSourceMapping": func(p map[string]any) []any { return []any{p["FunctionName"]} },
	"AWS::Scheduler::Schedule":        func(p map[string]any) []any { return []any{mapping(p["Target"])["Arn"]} },
	"Custom::Migration":               func(p map[string]any) []any { return []any{p["ServiceToken"]} },
	"AWS::SNS::Subscription": func(p map[string]any) []any {
		if p["Protocol"] != "lambda" {
			return nil
		}
		return []any{p["Endpoint"]}
	},
	"AWS::ApiGatewayV2::Api": func(p map[string]any) (uris []any) {
		for _, methods := range mapping(mapping(p["Body"])["paths"]) {
			for _, method := range mapping(methods) {
				uris = append(uris, mapping(mapping(method)["x-amazon-apigateway-integration"])["uri"])
			}
		}
		return uris
	},
	"AWS::IAM::Role": func(p map[string]any) (resources []any) {
		for _, policy := range list(p["Policies"]) {
			for _, statement := range list(mapping(mapping(policy)["PolicyDocument"])["Statement"]) {
				if action := fmt.Sprint(mapping(statement)["Action"]); strings.Contains(action, "lambda:") {
					resources = append(resources, mapping(statement)["Resource"])
				}
			}
		}
		return resources
	},
}

// Invokers returns the problems of a transformed template's callers. Each must call the function itself, because a
// published version keeps the parameters that it was published with, and a changed one would not reach it
// (docs/adr/0024).
func Invokers(template *samtemplate.Template, transformed map[string]any) []string {
	var problems problems
	resources := mapping(transformed["Resources"])
	kind := func(id string) string { text, _ := mapping(resources[id])["Type"].(string); return text }
	published := func(id string) bool { return kind(id) == "AWS::Lambda::Version" || kind(id) == "AWS::Lambda::Alias" }
	stale := func(id string, v any) {
		for _, name := range samtemplate.Names(v) {
			if published(name) {
				problems.add("template.yaml: %s names %s, a version or alias, which does not get changed parameters: name the function", id, name)
			}
		}
	}
	called := map[string]bool{}
	for _, id := range sortedKeys(resources) {
		properties := mapping(mapping(resources[id])["Properties"])
		if targets := invokers[kind(id)]; targets != nil {
			for _, target := range targets(properties) {
				names := samtemplate.Names(target)
				if i := slices.IndexFunc(names, func(name string) bool { return kind(name) == "AWS::Lambda::Function" }); i >= 0 {
					called[names[i]] = true
				} else if !slices.ContainsFunc(names, published) {
					problems.add("template.yaml: %s calls %v, which is not a function of the template", id, target)
				}
			}
		}
		if published(id) {
			continue
		}
		if kind(id) == "Custom::Migration" { // its Version must change with the code
			properties = maps.Clone(properties)
			delete(properties, "Version")
		}
		if qualifier, set := properties["Qualifier"]; (set && qualifier != "$LATEST") || qualified.MatchString(fmt.Sprint(properties)) {
			problems.add("template.yaml: %s refers to a version or alias of a function, which does not get changed parameters", id)
		}
		stale(id, properties)
	}
	stale("Outputs", transformed["Outputs"])
	for _, name := range sortedKeys(template.Functions) {
		f := template.Functions[name]
		if !called[f.ID] {
			problems.add("template.yaml: nothing calls %s", f.ID)
		}
	}
	return problems
}

// qualified matches a function name or ARN followed by a version or alias.
var qualified = regexp.MustCompile(`\$\{[A-Za-z0-9]+Function(\.Arn)?\}:`)
