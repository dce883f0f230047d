package samtemplate

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"strings"
)

// Resolve returns the resources of a template as CloudFormation creates them with these parameter values and the
// defaults of the others: without those whose condition is false, and with all intrinsic functions evaluated. What only
// a deployment knows, such as an ARN or a parameter without a value, is "<Id.Attribute>" or "<Name>". An unknown
// function or condition is an error.
func Resolve(document map[string]any, values map[string]string) (map[string]any, error) {
	var problem error
	r := resolver{values: map[string]any{}, conditions: mapping(document["Conditions"]), problem: &problem}
	for name, parameter := range mapping(document["Parameters"]) {
		if value, found := mapping(parameter)["Default"]; found {
			r.values[name] = fmt.Sprint(value)
		}
	}
	for name, value := range values {
		r.values[name] = value
	}
	resources := map[string]any{}
	for id, resource := range mapping(document["Resources"]) {
		if condition, ok := mapping(resource)["Condition"].(string); ok && !r.holds(condition) {
			continue
		}
		resources[id] = r.resolve(resource)
	}
	return resources, problem
}

// Options returns parameter values that enable every optional part of a template: "<Name>", which is what a reference
// to it resolves to, or the default where only some texts are allowed.
func Options(document map[string]any) map[string]string {
	values := map[string]string{}
	for name, parameter := range mapping(document["Parameters"]) {
		if p := mapping(parameter); p["AllowedValues"] == nil || p["Type"] != "String" {
			values[name] = "<" + name + ">"
		}
	}
	return values
}

type resolver struct {
	values     map[string]any
	conditions map[string]any
	problem    *error // the last evaluation error
}

// absent is AWS::NoValue.
type absent struct{}

func (r resolver) holds(condition string) bool {
	expression, found := r.conditions[condition]
	if !found {
		*r.problem = fmt.Errorf("unknown condition %s", condition)
	}
	return r.resolve(expression) == true
}

func (r resolver) resolve(v any) any {
	switch v := v.(type) {
	case []any:
		all := []any{}
		for _, item := range v {
			if resolved := r.resolve(item); resolved != (absent{}) {
				all = append(all, resolved)
			}
		}
		return all
	case map[string]any:
		for name, arguments := range v {
			if len(v) == 1 && (name == "Ref" || name == "Condition" || strings.HasPrefix(name, "Fn::")) {
				return r.call(name, arguments)
			}
		}
		all := map[string]any{}
		for key, value := range v {
			if resolved := r.resolve(value); resolved != (absent{}) {
				all[key] = resolved
			}
		}
		return all
	}
	return v
}

func (r resolver) call(name string, argument any) any {
	arguments := listOf(argument)
	switch name {
	case "Ref":
		return r.ref(fmt.Sprint(argument))
	case "Condition":
		return r.holds(fmt.Sprint(argument))
	case "Fn::GetAtt":
		return "<" + fmt.Sprint(arguments[0]) + "." + fmt.Sprint(arguments[1]) + ">"
	case "Fn::If":
		if r.holds(fmt.Sprint(arguments[0])) {
			return r.resolve(arguments[1])
		}
		return r.resolve(arguments[2])
	case "Fn::Equals":
		return reflect.DeepEqual(r.resolve(arguments[0]), r.resolve(arguments[1]))
	case "Fn::Not":
		return r.resolve(arguments[0]) != true
	case "Fn::Join":
		return r.join(fmt.Sprint(arguments[0]), r.resolve(arguments[1]))
	case "Fn::Sub":
		return r.sub(arguments)
	}
	*r.problem = fmt.Errorf("unsupported function %s", name)
	return nil
}

func (r resolver) ref(name string) any {
	if name == "AWS::NoValue" {
		return absent{}
	}
	if value, isParameter := r.values[name]; isParameter {
		return value
	}
	return "<" + name + ">"
}

// join joins a list, or a parameter's comma-separated items.
func (r resolver) join(separator string, v any) string {
	var items []string
	for _, item := range listOf(v) {
		items = append(items, fmt.Sprint(item))
	}
	return strings.Join(items, separator)
}

var placeholder = regexp.MustCompile(`\$\{([A-Za-z0-9_:]+)(\.[A-Za-z0-9.]+)?\}`)

func (r resolver) sub(arguments []any) string {
	own := r
	if len(arguments) == 2 {
		own.values = maps.Clone(r.values)
		for name, value := range mapping(arguments[1]) {
			own.values[name] = r.resolve(value)
		}
	}
	return placeholder.ReplaceAllStringFunc(fmt.Sprint(arguments[0]), func(text string) string {
		found := placeholder.FindStringSubmatch(text)
		if found[2] != "" {
			return "<" + found[1] + found[2] + ">"
		}
		return fmt.Sprint(own.ref(found[1]))
	})
}
