// Package samtemplate reads template.yaml: its functions with their variables and permissions.
//
// Intrinsic functions are kept as maps with one key ("Ref", "Fn::Sub", …), as in the template's JSON form. For a choice
// (Fn::If), the first branch counts, which is the one with more permissions. An unknown shape is an error that names
// the resource: a check that misreads the template would pass for the wrong reason.
package samtemplate

import (
	"fmt"
	"os"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// Template is the part of template.yaml that the checks and the emulators need.
type Template struct {
	// Functions by directory name: "subscribe" is the resource SubscribeFunction.
	Functions map[string]*Function
	// SecretVariables lists the variables in each secret, by the secret's resource or parameter.
	SecretVariables map[string][]string
	// Parameters holds the default of each parameter; nil if it has none.
	Parameters map[string]any
	// Resources and Globals are the unchanged sections of the template.
	Resources map[string]any
	Globals   map[string]any
}

// Function is one Lambda function.
type Function struct {
	ID          string // logical id
	Routes      []Route
	Schedules   []Schedule
	Topics      []string       // logical ids of the SNS topics that invoke it
	Queues      []string       // logical ids of the SQS queues that invoke it
	Variables   map[string]any // including those of Globals
	Secrets     []string       // resources and parameters that SECRETS_ARN names
	Permissions []Permission
	Timeout     time.Duration
	MemoryMB    int
	DependsOn   []string
	// Properties are the function's own, without those of Globals.
	Properties map[string]any
}

// Route is one route of the HTTP API.
type Route struct{ Path, Method string }

// Schedule is one EventBridge Scheduler schedule.
type Schedule struct {
	Name       any    // nil if the translator chooses the name
	Expression any    // "rate(1 minute)" or a reference
	Input      string // JSON
}

// Permission is one action on the resources of one statement.
type Permission struct {
	Effect, Action string
	Resources      []any
}

// Load reads the template at path.
func Load(path string) (*Template, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Parse(text)
}

// Document parses a template, with intrinsic functions in their long form.
func Document(text []byte) (map[string]any, error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("parse template: %w", err)
	}
	if len(doc.Content) != 1 {
		return nil, fmt.Errorf("parse template: empty document")
	}
	root, err := plain(doc.Content[0])
	if err != nil {
		return nil, fmt.Errorf("parse template: %w", err)
	}
	return mapping(root), nil
}

// Parse parses a template.
func Parse(text []byte) (*Template, error) {
	root, err := Document(text)
	if err != nil {
		return nil, err
	}
	t := &Template{
		Functions:  map[string]*Function{},
		Parameters: map[string]any{},
		Resources:  mapping(root["Resources"]),
		Globals:    mapping(root["Globals"]),
	}
	for name, parameter := range mapping(root["Parameters"]) {
		t.Parameters[name] = mapping(parameter)["Default"]
	}
	t.SecretVariables = secretVariables(root, t.Resources)
	for id, resource := range t.Resources {
		if mapping(resource)["Type"] != "AWS::Serverless::Function" {
			continue
		}
		name, ok := strings.CutSuffix(id, "Function")
		if !ok {
			return nil, fmt.Errorf("%s: a function's logical id must be its directory's name followed by %q", id, "Function")
		}
		function, err := t.function(id, mapping(resource))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", id, err)
		}
		t.Functions[strings.ToLower(name)] = function
	}
	return t, nil
}

// secretVariables joins the Metadata of external secrets with the variable of each generated secret.
func secretVariables(root, resources map[string]any) map[string][]string {
	all := map[string][]string{}
	for id, names := range mapping(mapping(root["Metadata"])["SecretVariables"]) {
		all[id] = texts(names)
	}
	for id, resource := range resources {
		generated := mapping(mapping(mapping(resource)["Properties"])["GenerateSecretString"])
		if name, ok := generated["GenerateStringKey"].(string); ok {
			all[id] = []string{name}
		}
	}
	return all
}

// plain converts YAML nodes to maps, lists and scalars, and CloudFormation's short tags to their long form.
func plain(n *yaml.Node) (any, error) {
	value, err := untagged(n)
	if err != nil || !strings.HasPrefix(n.Tag, "!") || strings.HasPrefix(n.Tag, "!!") {
		return value, err
	}
	switch name := n.Tag[1:]; name {
	case "Ref", "Condition":
		return map[string]any{name: value}, nil
	default:
		return map[string]any{"Fn::" + name: value}, nil
	}
}

func untagged(n *yaml.Node) (any, error) {
	switch n.Kind {
	case yaml.MappingNode:
		m := make(map[string]any, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i].Value
			if _, twice := m[key]; twice {
				return nil, fmt.Errorf("line %d: duplicate key %q", n.Content[i].Line, key)
			}
			value, err := plain(n.Content[i+1])
			if err != nil {
				return nil, err
			}
			m[key] = value
		}
		return m, nil
	case yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for _, item := range n.Content {
			value, err := plain(item)
			if err != nil {
				return nil, err
			}
			list = append(list, value)
		}
		return list, nil
	case yaml.ScalarNode:
		if !strings.HasPrefix(n.Tag, "!!") {
			return n.Value, nil
		}
		var value any
		err := n.Decode(&value)
		return value, err
	case yaml.DocumentNode, yaml.AliasNode:
	}
	return nil, fmt.Errorf("line %d: anchors and aliases are not supported", n.Line)
}
