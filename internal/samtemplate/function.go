package samtemplate

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

func (t *Template) function(id string, resource map[string]any) (*Function, error) {
	globals := mapping(t.Globals["Function"])
	own := mapping(resource["Properties"])
	f := &Function{ID: id, Properties: own, Variables: map[string]any{}, DependsOn: texts(resource["DependsOn"])}
	for _, layer := range []map[string]any{globals, own} {
		for name, value := range mapping(mapping(layer["Environment"])["Variables"]) {
			f.Variables[name] = value
		}
		if seconds, ok := layer["Timeout"].(int); ok {
			f.Timeout = time.Duration(seconds) * time.Second
		}
		if memory, ok := layer["MemorySize"].(int); ok {
			f.MemoryMB = memory
		}
	}
	f.Secrets = References(f.Variables["SECRETS_ARN"])
	if err := f.addEvents(mapping(own["Events"])); err != nil {
		return nil, err
	}
	permissions, err := t.permissions(own["Role"])
	f.Permissions = permissions
	return f, err
}

func (f *Function) addEvents(events map[string]any) error {
	for name, event := range events {
		properties := mapping(mapping(event)["Properties"])
		switch kind := mapping(event)["Type"]; kind {
		case "HttpApi":
			path, _ := properties["Path"].(string)
			method, _ := properties["Method"].(string)
			f.Routes = append(f.Routes, Route{Path: path, Method: strings.ToUpper(method)})
		case "ScheduleV2":
			input, _ := properties["Input"].(string)
			f.Schedules = append(f.Schedules, Schedule{properties["Name"], properties["ScheduleExpression"], input})
		case "SNS":
			f.Topics = append(f.Topics, References(properties["Topic"])...)
		case "SQS":
			queue, _, _ := strings.Cut(fmt.Sprint(mapping(properties["Queue"])["Fn::GetAtt"]), ".")
			f.Queues = append(f.Queues, queue)
		default:
			return fmt.Errorf("event %s: unsupported type %v", name, kind)
		}
	}
	slices.SortFunc(f.Routes, func(a, b Route) int { return strings.Compare(a.Path, b.Path) })
	return nil
}

// permissions returns the permissions in the inline and managed policies of a function's role.
func (t *Template) permissions(role any) ([]Permission, error) {
	id, ok := strings.CutSuffix(fmt.Sprint(mapping(role)["Fn::GetAtt"]), ".Arn")
	if !ok || t.Resources[id] == nil {
		return nil, errors.New("the Role must be !GetAtt of a role in this template, so that no permission is hidden")
	}
	properties := mapping(mapping(t.Resources[id])["Properties"])
	var statements []any
	for _, policy := range list(properties["Policies"]) {
		statements = append(statements, list(mapping(mapping(policy)["PolicyDocument"])["Statement"])...)
	}
	for _, managed := range list(properties["ManagedPolicyArns"]) {
		name, _ := mapping(managed)["Ref"].(string)
		policy := mapping(t.Resources[name])
		if policy == nil {
			return nil, fmt.Errorf("%s: managed policy %v is not in this template", id, managed)
		}
		document := mapping(mapping(policy["Properties"])["PolicyDocument"])
		statements = append(statements, list(document["Statement"])...)
	}
	var all []Permission
	for _, statement := range statements {
		s := mapping(first(statement))
		effect, _ := s["Effect"].(string)
		for _, action := range texts(s["Action"]) {
			all = append(all, Permission{Effect: effect, Action: action, Resources: listOf(s["Resource"])})
		}
	}
	return all, nil
}

// first returns the first branch of an Fn::If, or the value itself.
func first(v any) any {
	if branches := list(mapping(v)["Fn::If"]); len(branches) == 3 {
		return first(branches[1])
	}
	return v
}

var substitution = regexp.MustCompile(`\$\{([A-Za-z0-9]+)\}`)

// References returns the names of the parameters and resources in a value, each once, in order.
func References(v any) []string {
	var names []string
	add := func(name string) {
		if name != "AWS::NoValue" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	var walk func(any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if name, ok := v["Ref"].(string); ok {
				add(name)
			}
			if text, ok := v["Fn::Sub"].(string); ok {
				for _, found := range substitution.FindAllStringSubmatch(text, -1) {
					add(found[1])
				}
			}
			if branches := list(v["Fn::If"]); len(branches) == 3 {
				walk(branches[1])
				walk(branches[2])
			}
			if join := list(v["Fn::Join"]); len(join) == 2 {
				walk(join[1])
			}
		case []any:
			for _, item := range v {
				walk(item)
			}
		}
	}
	walk(v)
	return names
}

// Alternatives returns the names in each alternative of a value: one list for a plain value, one for each branch of an
// Fn::If. A branch with AWS::NoValue is omitted.
func Alternatives(v any) [][]string {
	if branches := list(mapping(v)["Fn::If"]); len(branches) == 3 {
		return append(Alternatives(branches[1]), Alternatives(branches[2])...)
	}
	if mapping(v)["Ref"] == "AWS::NoValue" {
		return nil
	}
	return [][]string{References(v)}
}

func mapping(v any) map[string]any { m, _ := v.(map[string]any); return m }
func list(v any) []any             { l, _ := v.([]any); return l }

// listOf returns a list, or a list of the one value.
func listOf(v any) []any {
	if l, ok := v.([]any); ok {
		return l
	}
	return []any{v}
}

func texts(v any) []string {
	var all []string
	for _, item := range listOf(v) {
		if text, ok := item.(string); ok {
			all = append(all, text)
		}
	}
	return all
}
