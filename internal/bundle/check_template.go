package bundle

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"newsletter/internal/samtemplate"
)

// checkFunctions checks that each directory of functions/ is a function of the template and that all of them are built
// and configured alike.
func (b *Bundle) checkFunctions() []string {
	var problems problems
	for _, name := range sortedKeys(b.Functions) {
		if b.Template.Functions[name] == nil {
			problems.add("functions/%s is not in template.yaml: add the resource %sFunction with its role, log group and events",
				name, strings.ToUpper(name[:1])+name[1:])
		}
	}
	globals := mapping(b.Template.Globals["Function"])
	for name, want := range map[string]any{
		"Runtime": "provided.al2023", "Handler": "bootstrap", "CodeUri": ".", "Tracing": "Active",
		"Architectures": []any{"arm64"},
	} {
		if !reflect.DeepEqual(globals[name], want) {
			problems.add("template.yaml: Globals.Function.%s must be %v, the target of `make build`", name, want)
		}
	}
	if _, set := globals["Layers"]; set {
		problems.add("template.yaml: remove Layers from Globals.Function: the functions are single files, and `sam local invoke` " +
			"does not support conditional layers")
	}
	for _, name := range sortedKeys(b.Template.Functions) {
		f := b.Template.Functions[name]
		if b.Functions[name] == nil {
			problems.add("template.yaml: %s has no directory functions/%s: add the function, or remove it from the template", f.ID, name)
		}
		b.checkFunction(name, f, &problems)
	}
	return problems
}

func (b *Bundle) checkFunction(name string, f *samtemplate.Function, problems *problems) {
	resource := mapping(b.Template.Resources[f.ID])
	if mapping(resource["Metadata"])["BuildMethod"] != "makefile" {
		problems.add("template.yaml: %s needs Metadata: {BuildMethod: makefile}, or `sam build` omits the build flags", f.ID)
	}
	for _, property := range []string{"Runtime", "Handler", "CodeUri", "Tracing", "Architectures"} {
		if _, set := f.Properties[property]; set {
			problems.add("template.yaml: %s sets %s itself: leave it to Globals", f.ID, property)
		}
	}
	base := strings.TrimSuffix(f.ID, "Function")
	if role := mapping(f.Properties["Role"])["Fn::GetAtt"]; role != base+"Role.Arn" {
		problems.add("template.yaml: %s must have its own role: Role: !GetAtt %sRole.Arn", f.ID, base)
	}
	if name != "migrate" && !slices.Contains(f.DependsOn, "Migration") {
		problems.add("template.yaml: %s must have DependsOn: Migration, or new code runs with the old schema", f.ID)
	}
	if f.Timeout == 0 || f.MemoryMB == 0 {
		problems.add("template.yaml: %s has no Timeout or no MemorySize", f.ID)
	}
	if reserved, set := f.Properties["ReservedConcurrentExecutions"]; set {
		if !slices.Contains(samtemplate.References(reserved), "ReservedConcurrency") {
			problems.add("template.yaml: %s sets a fixed concurrency: use the parameter ReservedConcurrency, which is off by default", f.ID)
		}
	}
	for _, schedule := range f.Schedules {
		if !slices.Contains(samtemplate.References(schedule.Name), "AWS::StackName") && !strings.Contains(fmt.Sprint(schedule.Name), "${AWS::StackName}") {
			problems.add("template.yaml: a schedule of %s needs Name: !Sub ${AWS::StackName}-%s, or the schedules of two stacks collide", f.ID, name)
		}
		if schedule.Input != `{"scheduled":true}` {
			problems.add(`template.yaml: a schedule of %s needs Input: '{"scheduled":true}', by which the function recognizes it`, f.ID)
		}
	}
}

// checkStack checks the API, the keys and the migration.
func (b *Bundle) checkStack() []string {
	var problems problems
	migration := mapping(mapping(b.Template.Resources["Migration"])["Properties"])
	if mapping(migration["ServiceToken"])["Fn::GetAtt"] != "MigrateFunction.Arn" || mapping(migration["Version"])["Ref"] != "MigrateFunction.Version" {
		problems.add("template.yaml: the resource Migration must have ServiceToken: !GetAtt MigrateFunction.Arn and " +
			"Version: !Ref MigrateFunction.Version, or a deployment does not migrate")
	}
	for _, id := range sortedKeys(b.Template.Resources) {
		resource := mapping(b.Template.Resources[id])
		properties := mapping(resource["Properties"])
		switch resource["Type"] {
		case "AWS::Serverless::HttpApi":
			if _, set := properties["CorsConfiguration"]; set {
				problems.add("template.yaml: remove CorsConfiguration from %s: it overrides the functions' CORS headers", id)
			}
		case "AWS::SecretsManager::Secret":
			if resource["DeletionPolicy"] != "Retain" || resource["UpdateReplacePolicy"] != "Retain" {
				problems.add("template.yaml: %s must be retained (DeletionPolicy, UpdateReplacePolicy): lost keys cannot be recovered", id)
			}
		}
	}
	return problems
}

// checkRoutes checks that template and code have the same routes, with one ANY route for each path.
func (b *Bundle) checkRoutes() []string {
	var problems problems
	owner := map[string]string{}
	for _, name := range sortedKeys(b.Template.Functions) {
		f := b.Template.Functions[name]
		for _, route := range f.Routes {
			if other := owner[route.Path]; other != "" {
				problems.add("template.yaml: %s is a route of %s and of %s: keep one", route.Path, other, f.ID)
			}
			owner[route.Path] = f.ID
			if route.Method != "ANY" {
				problems.add("template.yaml: the route %s of %s must be ANY: the function answers OPTIONS, HEAD and 405 itself", route.Path, f.ID)
			}
			if code := b.Functions[name]; code != nil && !slices.ContainsFunc(code.Routes, func(r Route) bool { return r.Path == route.Path }) {
				problems.add("template.yaml: %s has the route %s, which functions/%s does not serve: add an httpapi.Route, or remove it here",
					f.ID, route.Path, name)
			}
		}
	}
	for _, name := range sortedKeys(b.Functions) {
		f := b.Template.Functions[name]
		for _, route := range b.Functions[name].Routes {
			if f != nil && owner[route.Path] != f.ID {
				problems.add("functions/%s serves %s, which is not its route in template.yaml: add an HttpApi event to %s with Method: ANY",
					name, route.Path, f.ID)
			}
		}
	}
	return problems
}

// problems collects the findings of a check.
type problems []string

func (p *problems) add(format string, arguments ...any) {
	*p = append(*p, fmt.Sprintf(format, arguments...))
}

func mapping(v any) map[string]any { m, _ := v.(map[string]any); return m }
