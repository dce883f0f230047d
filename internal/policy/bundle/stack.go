package bundle

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"newsletter/internal/local/samtemplate"
)

// A Stack holds the resources that CloudFormation creates from the template, after SAM's translator, for some values of
// the parameters. In its values, a reference is "<Id>" or "<Id.Attribute>".
type Stack struct {
	Resources map[string]any
	Secrets   map[string][]string // variables in each secret, by its resource or parameter
	Complete  bool                // all options are enabled; otherwise parameters have their defaults
}

// Stacks returns two stacks of each template: with all options, and with the defaults. The error is
// samtemplate.ErrNoTranslator if SAM's translator is not installed.
func Stacks(ctx context.Context, templates ...[]byte) ([][]*Stack, error) {
	transformed, err := samtemplate.Transform(ctx, nil, templates...)
	if err != nil {
		return nil, err
	}
	all := make([][]*Stack, len(transformed))
	for i, document := range transformed {
		for _, values := range []map[string]string{samtemplate.Options(document), nil} {
			resources, err := samtemplate.Resolve(document, values)
			if err != nil {
				return nil, err
			}
			all[i] = append(all[i], &Stack{resources, samtemplate.SecretVariables(document), values != nil})
		}
	}
	return all, nil
}

// ids returns the logical ids of the resources of a type, sorted.
func (s *Stack) ids(kind string) []string {
	var ids []string
	for id, resource := range s.Resources {
		if mapping(resource)["Type"] == kind {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// kind returns the type of a resource, or "".
func (s *Stack) kind(id string) string { return text(mapping(s.Resources[id])["Type"]) }

func (s *Stack) properties(id string) map[string]any {
	return mapping(mapping(s.Resources[id])["Properties"])
}

// target returns the type of the resource that a value refers to, or "".
func (s *Stack) target(v any) string {
	if names := samtemplate.References(v); len(names) == 1 {
		return s.kind(names[0])
	}
	return ""
}

// functions returns the logical ids of the functions.
func (s *Stack) functions() []string { return s.ids("AWS::Lambda::Function") }

// functionID returns the logical id of the function in a directory: SubscribeFunction for subscribe.
func functionID(name string) string {
	return strings.ToUpper(name[:1]) + name[1:] + "Function"
}

// functionName returns the directory of a function.
func functionName(id string) string { return strings.ToLower(strings.TrimSuffix(id, "Function")) }

// invokes reports whether a resource of a type invokes a function.
func (s *Stack) invokes(kind, function string) bool {
	return slices.ContainsFunc(s.ids(kind), func(id string) bool {
		return slices.Contains(samtemplate.References(s.properties(id)), function)
	})
}

func mapping(v any) map[string]any { m, _ := v.(map[string]any); return m }
func text(v any) string            { t, _ := v.(string); return t }

// list returns a list, or a list of the one value. Nothing is an empty list.
func list(v any) []any {
	if l, ok := v.([]any); ok || v == nil {
		return l
	}
	return []any{v}
}

func number(v any) float64 { n, _ := v.(float64); return n }

func texts(v any) []string {
	var all []string
	for _, item := range list(v) {
		all = append(all, fmt.Sprint(item))
	}
	return all
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
