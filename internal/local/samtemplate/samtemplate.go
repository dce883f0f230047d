// Package samtemplate reads template.yaml.
//
// Parse is for the local stack and the emulators: what each function gets, from the template itself. Transform and
// Resolve are for the policy tests: the resources that CloudFormation creates, from SAM's own translator.
//
// In resolved values, a reference is "<Id>" or "<Id.Attribute>". An unknown shape or function is an error that names
// it: a check that misreads the template would pass for the wrong reason.
package samtemplate

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Template is the part of template.yaml that the local stack and the emulators need, with all options enabled.
type Template struct {
	// Functions by directory name: "subscribe" is the resource SubscribeFunction.
	Functions map[string]*Function
	// SecretVariables lists the variables in each secret, by the secret's resource or parameter.
	SecretVariables map[string][]string
	// Architecture is that of all functions.
	Architecture string
}

// Function is one Lambda function.
type Function struct {
	ID        string // logical id
	Routes    []string
	Schedules []Schedule
	Variables map[string]any // including those of Globals
	Secrets   []string       // resources and parameters that SECRETS_ARN names
	Timeout   time.Duration
	MemoryMB  int
}

// Schedule is one EventBridge Scheduler schedule.
type Schedule struct {
	Expression string // "rate(1 minute)"
	Input      string // JSON
}

// Load reads the template at path.
func Load(path string) (*Template, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Parse(text)
}

// Parse parses a template.
func Parse(text []byte) (*Template, error) {
	document, err := Document(text)
	if err != nil {
		return nil, err
	}
	// Globals are resolved together with the resources that they are for.
	resources := mapping(document["Resources"])
	resources["Globals"] = document["Globals"]
	resolved, err := Resolve(document, Options(document))
	if err != nil {
		return nil, err
	}
	globals := mapping(mapping(resolved["Globals"])["Function"])
	architectures := listOf(globals["Architectures"])
	t := &Template{Functions: map[string]*Function{}, SecretVariables: SecretVariables(document), Architecture: fmt.Sprint(architectures[0])}
	for id, resource := range resolved {
		if mapping(resource)["Type"] != "AWS::Serverless::Function" {
			continue
		}
		name, ok := strings.CutSuffix(id, "Function")
		if !ok {
			return nil, fmt.Errorf("%s: a function's logical id must be its directory's name followed by %q", id, "Function")
		}
		function, err := parseFunction(id, globals, mapping(mapping(resource)["Properties"]))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", id, err)
		}
		t.Functions[strings.ToLower(name)] = function
	}
	return t, nil
}

func parseFunction(id string, layers ...map[string]any) (*Function, error) {
	f := &Function{ID: id, Variables: map[string]any{}}
	for _, layer := range layers {
		for name, value := range mapping(mapping(layer["Environment"])["Variables"]) {
			f.Variables[name] = value
		}
		if seconds, ok := layer["Timeout"].(int); ok {
			f.Timeout = time.Duration(seconds) * time.Second
		}
		if memory, ok := layer["MemorySize"].(int); ok {
			f.MemoryMB = memory
		}
		for name, event := range mapping(layer["Events"]) {
			properties := mapping(mapping(event)["Properties"])
			switch kind := mapping(event)["Type"]; kind {
			case "HttpApi":
				f.Routes = append(f.Routes, fmt.Sprint(properties["Path"]))
			case "ScheduleV2":
				f.Schedules = append(f.Schedules, Schedule{fmt.Sprint(properties["ScheduleExpression"]), fmt.Sprint(properties["Input"])})
			case "SNS", "SQS":
			default:
				return nil, fmt.Errorf("event %s: unsupported type %v", name, kind)
			}
		}
	}
	f.Secrets = References(f.Variables["SECRETS_ARN"])
	slices.Sort(f.Routes)
	return f, nil
}

// SecretVariables returns the variables in each secret of a template, by its resource or parameter: those in Metadata,
// and the one of each generated secret.
func SecretVariables(document map[string]any) map[string][]string {
	all := map[string][]string{}
	for id, names := range mapping(mapping(document["Metadata"])["SecretVariables"]) {
		for _, name := range listOf(names) {
			all[id] = append(all[id], fmt.Sprint(name))
		}
	}
	for id, resource := range mapping(document["Resources"]) {
		generated := mapping(mapping(mapping(resource)["Properties"])["GenerateSecretString"])
		if name, ok := generated["GenerateStringKey"].(string); ok {
			all[id] = []string{name}
		}
	}
	return all
}

var reference = regexp.MustCompile(`<([A-Za-z0-9]+)(\.[A-Za-z0-9.]+)?>`)

// References returns the logical ids and parameters that a resolved value names, each once, in order.
func References(v any) []string {
	var names []string
	for _, found := range reference.FindAllStringSubmatch(fmt.Sprint(v), -1) {
		if found[1] != "nil" && !slices.Contains(names, found[1]) { // fmt prints nothing as <nil>
			names = append(names, found[1])
		}
	}
	return names
}
