package bundle

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"newsletter/internal/samtemplate"
)

// checkFunctions wants each directory of functions/ to be a function of the template that is built, run, logged and
// deployed as all are.
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
			problems.add("template.yaml: Globals.Function.%s must be %v, what `make build` builds for", name, want)
		}
	}
	if _, set := globals["Layers"]; set {
		problems.add("template.yaml: take Layers out of Globals.Function: the functions are single files, and `sam local invoke` " +
			"takes no choice of layers")
	}
	for _, name := range sortedKeys(b.Template.Functions) {
		f := b.Template.Functions[name]
		if b.Functions[name] == nil {
			problems.add("template.yaml: %s has no directory functions/%s: write the function, or take it out of the template", f.ID, name)
		}
		b.checkFunction(name, f, &problems)
	}
	return problems
}

func (b *Bundle) checkFunction(name string, f *samtemplate.Function, problems *problems) {
	resource := mapping(b.Template.Resources[f.ID])
	if mapping(resource["Metadata"])["BuildMethod"] != "makefile" {
		problems.add("template.yaml: %s needs Metadata: {BuildMethod: makefile}, or `sam build` leaves out the build flags", f.ID)
	}
	for _, property := range []string{"Runtime", "Handler", "CodeUri", "Tracing", "Architectures"} {
		if _, set := f.Properties[property]; set {
			problems.add("template.yaml: %s sets %s itself: leave it to Globals", f.ID, property)
		}
	}
	base := strings.TrimSuffix(f.ID, "Function")
	if role := mapping(f.Properties["Role"])["Fn::GetAtt"]; role != base+"Role.Arn" {
		problems.add("template.yaml: %s must have a role of its own: Role: !GetAtt %sRole.Arn", f.ID, base)
	}
	if name != "migrate" && !slices.Contains(f.DependsOn, "Migration") {
		problems.add("template.yaml: %s must have DependsOn: Migration, or new code runs on the old schema", f.ID)
	}
	if f.Timeout == 0 || f.MemoryMB == 0 {
		problems.add("template.yaml: %s has no Timeout or no MemorySize", f.ID)
	}
	if reserved, set := f.Properties["ReservedConcurrentExecutions"]; set {
		if !slices.Contains(samtemplate.References(reserved), "ReservedConcurrency") {
			problems.add("template.yaml: %s reserves concurrency by itself: use the parameter ReservedConcurrency, which is off by default", f.ID)
		}
	}
	for _, schedule := range f.Schedules {
		if !slices.Contains(samtemplate.References(schedule.Name), "AWS::StackName") && !strings.Contains(fmt.Sprint(schedule.Name), "${AWS::StackName}") {
			problems.add("template.yaml: a schedule of %s needs Name: !Sub ${AWS::StackName}-%s, or two stacks collide", f.ID, name)
		}
		if schedule.Input != `{"scheduled":true}` {
			problems.add(`template.yaml: a schedule of %s needs Input: '{"scheduled":true}', by which the function knows it`, f.ID)
		}
	}
}

// checkStack wants the parts that are no function: the API, the keys, and the migration.
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
				problems.add("template.yaml: take CorsConfiguration out of %s: it overrides the functions' CORS headers", id)
			}
		case "AWS::SecretsManager::Secret":
			if resource["DeletionPolicy"] != "Retain" || resource["UpdateReplacePolicy"] != "Retain" {
				problems.add("template.yaml: %s must be retained (DeletionPolicy, UpdateReplacePolicy): lost keys cannot be made again", id)
			}
		}
	}
	return problems
}

// checkRoutes wants the routes of the template and those in the code to be the same, one ANY route for each path.
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
				problems.add("template.yaml: the route %s of %s must be ANY: OPTIONS, HEAD and 405 are answered by the function", route.Path, f.ID)
			}
			if code := b.Functions[name]; code != nil && !slices.ContainsFunc(code.Routes, func(r Route) bool { return r.Path == route.Path }) {
				problems.add("template.yaml: %s has the route %s, which functions/%s does not serve: add an httpapi.Route, or drop it here",
					f.ID, route.Path, name)
			}
		}
	}
	for _, name := range sortedKeys(b.Functions) {
		f := b.Template.Functions[name]
		for _, route := range b.Functions[name].Routes {
			if f != nil && owner[route.Path] != f.ID {
				problems.add("functions/%s serves %s, which is no route of it in template.yaml: add an HttpApi event to %s with Method: ANY",
					name, route.Path, f.ID)
			}
		}
	}
	return problems
}

// problems collects what a check has found.
type problems []string

func (p *problems) add(format string, arguments ...any) {
	*p = append(*p, fmt.Sprintf(format, arguments...))
}

func mapping(v any) map[string]any { m, _ := v.(map[string]any); return m }
