package bundle

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"newsletter/internal/local/samtemplate"
)

// public lists the functions that may have a route. Those of engagement are for Loops, which signs its calls, and for servers
// with keys. The others act for the owner: a visitor who could call them could migrate the database or send all emails.
var public = []string{"confirm", "engagement", "health", "privacy", "subscribe", "unsubscribe"}

const anyMethod = "x-amazon-apigateway-any-method"

// checkRoutes checks that the API passes each path that a function serves to this function, with any method, and has no
// other path. Only public functions have paths.
func (b *bundle) checkRoutes(s *Stack) []string {
	var problems problems
	served := map[string]string{}
	for _, name := range sortedKeys(b.Functions) {
		for _, route := range b.Functions[name].Routes {
			_, path, _ := strings.Cut(route, " ")
			served[path] = functionID(name)
			if !slices.Contains(public, name) {
				problems.add("functions/%s serves %s, but is not public", name, path)
			}
		}
	}
	for _, api := range s.ids("AWS::ApiGatewayV2::Api") {
		paths := mapping(mapping(s.properties(api)["Body"])["paths"])
		for _, path := range sortedKeys(paths) {
			methods := mapping(paths[path])
			if len(methods) != 1 || methods[anyMethod] == nil {
				problems.add("template.yaml: the route %s must be ANY: the function answers OPTIONS, HEAD and 405 itself", path)
			}
			uri := mapping(mapping(methods[anyMethod])["x-amazon-apigateway-integration"])["uri"]
			if targets := samtemplate.References(uri); !slices.Equal(targets, []string{served[path]}) {
				problems.add("template.yaml: the route %s invokes %v, want %q, which serves it", path, targets, served[path])
			}
			delete(served, path)
		}
	}
	for _, path := range sortedKeys(served) {
		problems.add("template.yaml: %s serves %s, which is no route: run make generate", served[path], path)
	}
	return problems
}

// checkEntrances checks that the HTTP API is the only entry point, and that it leaves CORS to the functions and logs no
// tokens or addresses. IAM decides who may call functions without a route.
func (s *Stack) checkEntrances() []string {
	var problems problems
	for _, id := range sortedKeys(s.Resources) {
		properties := s.properties(id)
		switch kind := s.kind(id); {
		case kind == "AWS::ApiGatewayV2::Api":
			body := mapping(properties["Body"])
			if properties["CorsConfiguration"] != nil || body["x-amazon-apigateway-cors"] != nil {
				problems.add("template.yaml: remove CorsConfiguration from %s: it overrides the functions' CORS headers", id)
			}
		case kind == "AWS::ApiGatewayV2::Stage":
			s.checkAccessLog(id, mapping(properties["AccessLogSettings"]), &problems)
		case kind == "AWS::Lambda::Url", strings.HasPrefix(kind, "AWS::ApiGateway"), strings.HasPrefix(kind, "AWS::ElasticLoadBalancing"):
			problems.add("template.yaml: %s is another entry point, which bypasses the API's limits and log: remove it", id)
		case kind == "AWS::Lambda::Permission" && properties["Principal"] == "*":
			problems.add("template.yaml: %s lets anyone invoke a function: name the service", id)
		}
	}
	for _, kind := range []string{"AWS::ApiGatewayV2::Api", "AWS::ApiGatewayV2::Stage"} {
		if ids := s.ids(kind); len(ids) != 1 {
			problems.add("template.yaml: %d of %s, want one: %v", len(ids), kind, ids)
		}
	}
	return problems
}

// mayBeLogged lists the gateway's variables that contain no visitor data. All others are rejected, including those that
// AWS adds later. Path and query string contain tokens, sourceIp and userAgent are personal data, and docs/privacy.md
// promises that logs contain neither. Source: API Gateway developer guide, "Customize HTTP API access logs".
var mayBeLogged = []string{
	"$context.requestId", "$context.requestTimeEpoch", "$context.routeKey", "$context.status", "$context.responseLatency",
	"$context.integrationLatency", "$context.integrationErrorMessage", "$context.responseLength",
}

func (s *Stack) checkAccessLog(id string, settings map[string]any, problems *problems) {
	if s.target(settings["DestinationArn"]) != "AWS::Logs::LogGroup" {
		problems.add("template.yaml: %s has no access log: set AccessLogSettings to a log group of this template", id)
	}
	members := map[string]string{}
	if err := json.Unmarshal([]byte(text(settings["Format"])), &members); err != nil {
		problems.add("template.yaml: the access log format of %s is not a JSON object of strings: %v", id, err)
	}
	for _, member := range sortedKeys(members) {
		if !slices.Contains(mayBeLogged, members[member]) {
			problems.add("template.yaml: remove %s from the access log format of %s: tokens and addresses are not logged", members[member], id)
		}
	}
}

// callers are the types of resources that invoke functions.
var callers = []string{
	"AWS::ApiGatewayV2::Api", "AWS::Lambda::Permission", "AWS::Lambda::EventSourceMapping", "AWS::Scheduler::Schedule",
	"Custom::Migration",
}

// qualified matches a function name or ARN followed by a version or alias.
var qualified = regexp.MustCompile(`<[A-Za-z0-9]+Function(\.Arn)?>:`)

// checkCallers checks that each function is invoked, and always the function itself: a published version keeps the
// parameters that it was published with, and a changed one would not reach it (docs/adr/0024). Schedules have a name of
// their own stack and the input that the functions expect, and the migration runs when the code of migrate changes.
func (s *Stack) checkCallers() []string {
	var problems problems
	for _, id := range sortedKeys(s.Resources) {
		kind, properties := s.kind(id), s.properties(id)
		if published(kind) {
			continue
		}
		if kind == "Custom::Migration" { // its Version must change with the code
			properties = maps.Clone(properties)
			if s.target(properties["Version"]) != "AWS::Lambda::Version" || properties["ServiceToken"] != "<MigrateFunction.Arn>" {
				problems.add("template.yaml: %s must have ServiceToken: !GetAtt MigrateFunction.Arn and Version: !Ref MigrateFunction.Version, "+
					"or a deployment does not migrate", id)
			}
			delete(properties, "Version")
		}
		names := samtemplate.References(properties)
		for _, name := range names {
			if published(s.kind(name)) {
				problems.add("template.yaml: %s names %s, a version or alias, which does not get changed parameters: name the function", id, name)
			}
		}
		if qualifier := properties["Qualifier"]; qualifier != nil && qualifier != "$LATEST" || qualified.MatchString(fmt.Sprint(properties)) {
			problems.add("template.yaml: %s refers to a version or alias of a function, which does not get changed parameters", id)
		}
		if kind == "AWS::Scheduler::Schedule" {
			s.checkSchedule(id, &problems)
		}
	}
	if len(s.ids("Custom::Migration")) != 1 {
		problems.add("template.yaml: there is no Migration: a deployment does not migrate")
	}
	for _, id := range s.functions() {
		called := slices.ContainsFunc(callers, func(kind string) bool { return s.invokes(kind, id) })
		switch byOperator := id == functionID("operate"); {
		case !called && !byOperator:
			problems.add("template.yaml: nothing calls %s", id)
		case called && byOperator:
			problems.add("template.yaml: %s is for the operator's tool alone: remove what calls it", id)
		}
	}
	return problems
}

func published(kind string) bool {
	return kind == "AWS::Lambda::Version" || kind == "AWS::Lambda::Alias"
}

func (s *Stack) checkSchedule(id string, problems *problems) {
	properties := s.properties(id)
	if !strings.HasPrefix(text(properties["Name"]), "<AWS::StackName>-") {
		problems.add("template.yaml: %s needs a Name that begins with ${AWS::StackName}-, or the schedules of two stacks collide", id)
	}
	if mapping(properties["Target"])["Input"] != `{"scheduled":true}` {
		problems.add(`template.yaml: %s needs Input: '{"scheduled":true}', by which the function recognizes it`, id)
	}
}

// checkData checks that logs have the owner's retention period and that keys outlive the stack.
func (s *Stack) checkData() []string {
	var problems problems
	for _, id := range s.ids("AWS::Logs::LogGroup") {
		if s.Complete && s.properties(id)["RetentionInDays"] != "<LogRetentionDays>" {
			problems.add("template.yaml: %s needs RetentionInDays: !Ref LogRetentionDays, or it is kept forever", id)
		}
	}
	for _, id := range s.ids("AWS::SecretsManager::Secret") {
		if resource := mapping(s.Resources[id]); resource["DeletionPolicy"] != "Retain" || resource["UpdateReplacePolicy"] != "Retain" {
			problems.add("template.yaml: %s must be retained (DeletionPolicy, UpdateReplacePolicy): lost keys cannot be recovered", id)
		}
	}
	return problems
}
