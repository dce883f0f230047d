package bundle

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"newsletter/internal/samtemplate"
)

// transform runs SAM's translator. Without it, the test is skipped, or fails with CI=true.
func transform(t *testing.T, text string, parameters map[string]string) map[string]any {
	t.Helper()
	if testing.Short() {
		t.Skip("SAM's translator is left out with -short")
	}
	transformed, err := samtemplate.Transform(t.Context(), []byte(text), parameters)
	if errors.Is(err, samtemplate.ErrNoTranslator) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return transformed
}

func templateText(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestNoCallerUsesAVersionOrAlias(t *testing.T) {
	t.Parallel()
	text := templateText(t)
	template, err := samtemplate.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range Invokers(template, transform(t, text, nil)) {
		t.Error(problem)
	}
	// With AutoPublishAlias, SAM creates an alias for each function and makes every caller use it.
	aliases := strings.Replace(text, "    Tracing: Active\n", "    Tracing: Active\n    AutoPublishAlias: live\n", 1)
	problems := Invokers(template, transform(t, aliases, nil))
	for _, stale := range []string{
		"Api names SubscribeFunctionAliaslive", "SubscribeFunctionSubscribePermission names SubscribeFunctionAliaslive",
		"UnsubscribeFunctionQueue names UnsubscribeFunctionAliaslive", "EngagementFunctionFeedback names EngagementFunctionAliaslive",
		"DeliverFunctionDrain names DeliverFunctionAliaslive", "DeliverFunctionDrainRole names DeliverFunctionAliaslive",
		"MaintainFunctionEventInvokeConfig refers to a version or alias", "nothing calls ConfirmFunction",
	} {
		want(t, problems, stale)
	}
}

// parametersOf returns the parameters that a template value depends on, including those of its conditions.
func parametersOf(v any, conditions map[string]any, parameters map[string]any) []string {
	var names []string
	var walk func(any)
	walk = func(v any) {
		for _, name := range samtemplate.Names(v) {
			if _, found := parameters[name]; found {
				names = append(names, name)
			}
		}
		for _, condition := range conditionsOf(v) {
			walk(conditions[condition])
		}
	}
	walk(v)
	slices.Sort(names)
	return slices.Compact(names)
}

// conditionsOf returns the conditions that a value of a transformed template depends on.
func conditionsOf(v any) []string {
	var names []string
	switch v := v.(type) {
	case map[string]any:
		if branches := list(v["Fn::If"]); len(branches) == 3 {
			names = append(names, value(branches[0]))
		}
		for _, member := range v {
			names = append(names, conditionsOf(member)...)
		}
	case []any:
		for _, member := range v {
			names = append(names, conditionsOf(member)...)
		}
	}
	return names
}

// changedValue returns a value other than the parameter's default, one that also flips the conditions on it.
func changedValue(parameter map[string]any) string {
	if allowed := list(parameter["AllowedValues"]); len(allowed) > 0 {
		for _, candidate := range allowed {
			if candidate != parameter["Default"] {
				return fmt.Sprint(candidate)
			}
		}
	}
	if parameter["Type"] == "Number" {
		return "7"
	}
	return "changed"
}

// TestAChangedParameterReachesTheFunctions checks that each resource that depends on a parameter changes with it: functions
// with their environment, network and role, and Migration with the inputs of migrate. The change takes effect because all
// callers use the function itself (TestNoCallerUsesAVersionOrAlias).
func TestAChangedParameterReachesTheFunctions(t *testing.T) {
	t.Parallel()
	text := templateText(t)
	transformed := transform(t, text, nil)
	parameters, conditions := mapping(transformed["Parameters"]), mapping(transformed["Conditions"])
	changed := map[string]string{}
	for name, parameter := range parameters {
		changed[name] = changedValue(mapping(parameter))
	}
	if !reflect.DeepEqual(transformed["Resources"], transform(t, text, changed)["Resources"]) {
		t.Error("the translator's output depends on the parameters: translate for each parameter below")
	}
	// These values enable all optional parts of the template.
	given := map[string]string{"DatabaseIamResource": "prx-1", "MigrateIamResource": "db-1", "ConnectionsSecretArn": "arn:1", "IntegrationsSecretArn": "arn:2",
		"SubnetIds": "subnet-1", "ReservedConcurrency": "5"}
	before, err := samtemplate.Resolve(transformed, given)
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := samtemplate.Resolve(transformed, given); !reflect.DeepEqual(before, again) {
		t.Error("the resources differ although no parameter changed")
	}
	uses := 0
	for _, name := range sortedKeys(parameters) {
		values := maps.Clone(given)
		values[name] = changed[name]
		if _, found := given[name]; found {
			delete(values, name) // back to its default
		}
		after, err := samtemplate.Resolve(transformed, values)
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range sortedKeys(mapping(transformed["Resources"])) {
			resource := mapping(mapping(transformed["Resources"])[id])
			kind := resource["Type"]
			if kind != "AWS::Lambda::Function" && kind != "AWS::IAM::Role" && kind != "Custom::Migration" {
				continue
			}
			if !slices.Contains(parametersOf(resource, conditions, parameters), name) {
				continue
			}
			uses++
			if reflect.DeepEqual(before[id], after[id]) {
				t.Errorf("%s depends on %s, but does not change with it", id, name)
			}
		}
	}
	if uses < len(parameters) {
		t.Errorf("%d parameters are used in only %d places; the template was not read", len(parameters), uses)
	}
	migrate := mapping(mapping(mapping(transformed["Resources"])["MigrateFunction"])["Properties"])
	variables := mapping(mapping(migrate["Environment"])["Variables"])
	migration := parametersOf(mapping(transformed["Resources"])["Migration"], conditions, parameters)
	for _, name := range parametersOf(variables, conditions, parameters) {
		if !slices.Contains([]string{"Environment", "Release", "LogLevel"}, name) && !slices.Contains(migration, name) { // they change no schema
			t.Errorf("migrate uses %s, but Migration does not run when it changes: add it to the properties of Migration", name)
		}
	}
}
