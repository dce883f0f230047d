package bundle

import (
	"context"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"newsletter/internal/local/samtemplate"
)

// TestNoCallerUsesAVersionOrAlias enables AutoPublishAlias for all functions: SAM then creates an alias for each
// function and makes every caller use it.
func TestNoCallerUsesAVersionOrAlias(t *testing.T) {
	t.Parallel()
	text := strings.Replace(templateText(t), "    Tracing: Active\n", "    Tracing: Active\n    AutoPublishAlias: live\n", 1)
	stacks := translated(t, func(ctx context.Context) ([][]*Stack, error) { return Stacks(ctx, []byte(text)) })[0]
	problems := stacks[0].checkCallers()
	for _, stale := range []string{
		"Api names SubscribeFunctionAliaslive", "SubscribeFunctionSubscribePermission names SubscribeFunctionAliaslive",
		"UnsubscribeFunctionQueue names UnsubscribeFunctionAliaslive", "EngagementFunctionQueue names EngagementFunctionAliaslive",
		"DeliverFunctionDrain names DeliverFunctionAliaslive", "DeliverFunctionDrainRole names DeliverFunctionAliaslive",
		"MaintainFunctionEventInvokeConfig refers to a version or alias", "nothing calls ConfirmFunction",
	} {
		want(t, problems, stale)
	}
}

// TestAChangedParameterReachesTheFunctions checks that each parameter changes a resource of the stack, and that
// Migration runs when the inputs of migrate change. A change takes effect because all callers use the function itself
// (TestNoCallerUsesAVersionOrAlias), whatever the parameters: the translator's output does not depend on them.
func TestAChangedParameterReachesTheFunctions(t *testing.T) {
	t.Parallel()
	text := []byte(templateText(t))
	transform := func(parameters map[string]string) map[string]any {
		return translated(t, func(ctx context.Context) ([]map[string]any, error) {
			return samtemplate.Transform(ctx, parameters, text)
		})[0]
	}
	document := transform(nil)
	if n := len(mapping(document["Parameters"])); n > 24 {
		t.Errorf("%d parameters: at most 24 are for a person to set; the rest are settings or constants", n)
	}
	options, changed := samtemplate.Options(document), map[string]string{}
	for name, parameter := range mapping(document["Parameters"]) {
		changed[name] = "changed"
		for _, allowed := range list(mapping(parameter)["AllowedValues"]) {
			if allowed != mapping(parameter)["Default"] {
				changed[name] = fmt.Sprint(allowed)
			}
		}
	}
	if !reflect.DeepEqual(document["Resources"], transform(changed)["Resources"]) {
		t.Error("the translator's output depends on the parameters: translate for each parameter below")
	}
	resolve := func(values map[string]string) *Stack {
		resources, err := samtemplate.Resolve(document, values)
		if err != nil {
			t.Fatal(err)
		}
		return &Stack{Resources: resources}
	}
	before := resolve(options)
	for _, name := range sortedKeys(changed) {
		values := maps.Clone(options)
		values[name] = changed[name]
		after := resolve(values)
		if reflect.DeepEqual(before.Resources, after.Resources) {
			t.Errorf("the parameter %s changes nothing: remove it", name)
		}
		schema := !slices.Contains([]string{"Environment", "Release"}, name) // they change no schema
		if schema && !reflect.DeepEqual(before.variables("MigrateFunction"), after.variables("MigrateFunction")) &&
			reflect.DeepEqual(before.Resources["Migration"], after.Resources["Migration"]) {
			t.Errorf("migrate uses %s, but Migration does not run when it changes: add it to the properties of Migration", name)
		}
	}
}
