package bundle

import (
	"reflect"
	"slices"
	"strings"
	"time"

	"newsletter/internal/policy/settings"
	"newsletter/shared/lambdafn"
	"newsletter/shared/postgres"
	"newsletter/shared/ratelimit"
)

// checkFunctions checks that each directory of functions/ is a function of the stack and that all of them are built,
// configured and logged alike.
func (b *bundle) checkFunctions(s *Stack) []string {
	var problems problems
	for _, name := range sortedKeys(b.Functions) {
		if !slices.Contains(s.functions(), functionID(name)) {
			problems.add("functions/%s is not in template.yaml: add the resource %s with its role, log group and events", name, functionID(name))
		}
	}
	for _, id := range s.functions() {
		name, base := functionName(id), strings.TrimSuffix(id, "Function")
		if b.Functions[name] == nil {
			problems.add("template.yaml: %s has no directory functions/%s: add the function, or remove it from the template", id, name)
		}
		resource, have := mapping(s.Resources[id]), s.properties(id)
		for property, rule := range map[string]struct {
			want   any
			reason string
		}{
			"Runtime":       {"provided.al2023", "`make build` builds for it"},
			"Handler":       {"bootstrap", "`make build` builds it"},
			"Architectures": {[]any{"arm64"}, "`make build` builds for it"},
			"TracingConfig": {map[string]any{"Mode": "Active"}, "traces start at the function"},
			"Layers":        {nil, "a function is one file, and `sam local invoke` does not support conditional layers"},
			"Role":          {"<" + base + "Role.Arn>", "each function has its own role"},
			"LoggingConfig": {map[string]any{
				"LogFormat": "JSON", "LogGroup": "<" + base + "Logs>", "ApplicationLogLevel": "DEBUG", "SystemLogLevel": "WARN",
			}, "the function itself applies LOG_LEVEL, and Lambda would drop the metrics as well"},
		} {
			if !reflect.DeepEqual(have[property], rule.want) {
				problems.add("template.yaml: %s of %s is %v, not %v: %s", property, id, have[property], rule.want, rule.reason)
			}
		}
		if s.kind(base+"Logs") != "AWS::Logs::LogGroup" {
			problems.add("template.yaml: %s has no log group: add %sLogs", id, base)
		}
		if mapping(resource["Metadata"])["BuildMethod"] != "makefile" {
			problems.add("template.yaml: %s needs Metadata: {BuildMethod: makefile}, or `sam build` omits the build flags", id)
		}
		if name != "migrate" && !slices.Contains(texts(resource["DependsOn"]), "Migration") {
			problems.add("template.yaml: %s must have DependsOn: Migration, or new code runs with the old schema", id)
		}
		if number(have["MemorySize"]) == 0 {
			problems.add("template.yaml: %s has no MemorySize", id)
		}
		if reserved := have["ReservedConcurrentExecutions"]; reserved != nil && (!s.Complete || reserved != "<ReservedConcurrency>") {
			problems.add("template.yaml: %s sets a fixed concurrency: use the parameter ReservedConcurrency, which is off by default", id)
		}
	}
	return problems
}

// gatewayTimeout is how long an HTTP API waits for a function (API Gateway quotas: 30 s, fixed).
const gatewayTimeout = 30 * time.Second

// timeout returns a function's timeout.
func (s *Stack) timeout(id string) time.Duration {
	return time.Duration(number(s.properties(id)["Timeout"])) * time.Second
}

// checkTimeouts checks that each function's Timeout exceeds the sum of its deadlines, so that a slow dependency leads
// to an error response and not to a killed environment. deliver's own test adds its deadlines. CloudFormation waits for
// the migration at least as long as Lambda lets it run.
func (b *bundle) checkTimeouts(s *Stack) []string {
	var problems problems
	for _, name := range sortedKeys(b.Functions) {
		id, need := functionID(name), lambdafn.Reserve
		for dep, deadline := range map[string]time.Duration{"postgres": postgres.Budget, "ratelimit": ratelimit.Budget} {
			if slices.Contains(b.Functions[name].Deps, module+"/shared/"+dep) {
				need += deadline
			}
		}
		if got := s.timeout(id); got <= need {
			problems.add("template.yaml: the Timeout of %s is %v; the sum of its deadlines is %v: raise it", id, got, need)
		}
		if got := s.timeout(id); len(b.Functions[name].Routes) > 0 && got >= gatewayTimeout {
			problems.add("template.yaml: the Timeout of %s is %v; the gateway times out after %v: lower it", id, got, gatewayTimeout)
		}
	}
	if wait := time.Duration(number(s.properties("Migration")["ServiceTimeout"])) * time.Second; wait < s.timeout("MigrateFunction") {
		problems.add("template.yaml: Migration.ServiceTimeout is %v, below the Timeout of MigrateFunction: a deployment would fail during a migration", wait)
	}
	return problems
}

// variables returns the environment variables of a function.
func (s *Stack) variables(id string) map[string]any {
	return mapping(mapping(s.properties(id)["Environment"])["Variables"])
}

// checkVariables checks that each function gets exactly the infrastructure variables that it reads. The template must not
// set settings, which come from the artifact's settings file, because the environment overrides the file.
func (b *bundle) checkVariables(s *Stack) []string {
	var problems problems
	for _, name := range sortedKeys(b.Functions) {
		id, read := functionID(name), map[string]bool{}
		for _, v := range b.Functions[name].Variables {
			read[v.Name] = true
			_, given := s.variables(id)[v.Name]
			switch {
			case v.Kind == settings.File && given:
				problems.add("template.yaml: %s sets the setting %s: remove it, it would override %s in settings/<environment>.toml", id, v.Name, v.Key())
			case v.Kind == settings.Infrastructure && !given:
				problems.add("functions/%s reads %s, which %s does not get: add it to Environment.Variables in template.yaml", name, v.Name, id)
			}
		}
		for _, variable := range sortedKeys(s.variables(id)) {
			if !read[variable] {
				problems.add("template.yaml: %s sets %s, which functions/%s does not read: remove it", id, variable, name)
			}
		}
	}
	return problems
}
