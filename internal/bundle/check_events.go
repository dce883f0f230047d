package bundle

import "slices"

// checkEvents wants sample events for every function, route and schedule, and none for anything else.
func (b *Bundle) checkEvents() []string {
	var problems problems
	for _, name := range sortedKeys(b.Events) {
		f := b.Functions[name]
		if f == nil {
			problems.add("events/%s belongs to no function: rename or remove it", name)
			continue
		}
		for _, event := range b.Events[name] {
			if event.Path != "" && !slices.ContainsFunc(f.Routes, func(r Route) bool { return r.Path == event.Path }) &&
				!b.isNoRoute(event.Path) {
				problems.add("%s is for the path %s, which is a route of another function: move it", event.File, event.Path)
			}
		}
	}
	for _, name := range sortedKeys(b.Functions) {
		f, events := b.Functions[name], b.Events[name]
		if len(events) == 0 {
			problems.add("functions/%s has no sample event: add events/%s/*.json; they are documentation, `make invoke` input and fixtures", name, name)
		}
		for _, route := range f.Routes {
			for _, method := range route.Methods {
				if !slices.ContainsFunc(events, func(e Event) bool { return e.Path == route.Path && e.Method == method }) {
					problems.add("events/%s has no %s %s: add a sample event", name, method, route.Path)
				}
			}
		}
		if t := b.Template.Functions[name]; t != nil && len(t.Schedules) > 0 &&
			!slices.ContainsFunc(events, func(e Event) bool { return e.Scheduled }) {
			problems.add(`events/%s has no scheduled event: add one with {"scheduled":true}`, name)
		}
	}
	return problems
}

// isNoRoute says whether no function serves a path: a sample of what is answered with 404.
func (b *Bundle) isNoRoute(path string) bool {
	for _, f := range b.Functions {
		if slices.ContainsFunc(f.Routes, func(r Route) bool { return r.Path == path }) {
			return false
		}
	}
	return true
}

// checkContract wants the routes in the code and those in docs/openapi.yaml to be the same, and the problem types too.
func (b *Bundle) checkContract() []string {
	var problems problems
	served := map[string]bool{}
	for _, name := range sortedKeys(b.Functions) {
		for _, route := range b.Functions[name].Routes {
			served[route.Path] = true
			want := append([]string{"OPTIONS"}, route.Methods...)
			slices.Sort(want)
			for _, method := range want {
				if !slices.Contains(b.Contract[route.Path], method) {
					problems.add("functions/%s answers %s %s, which docs/openapi.yaml does not describe: add it", name, method, route.Path)
				}
			}
			for _, method := range b.Contract[route.Path] {
				if !slices.Contains(want, method) {
					problems.add("docs/openapi.yaml describes %s %s, which functions/%s does not answer: take it out", method, route.Path, name)
				}
			}
		}
	}
	for _, path := range sortedKeys(b.Contract) {
		if !served[path] {
			problems.add("docs/openapi.yaml describes %s, which no function serves: take it out", path)
		}
	}
	for _, kind := range sortedKeys(b.Coded) {
		if !slices.Contains(b.Documented, kind) {
			problems.add("docs/openapi.yaml does not list the problem %s (%s): add it to Problem.type", kind, b.Coded[kind])
		}
	}
	for _, kind := range b.Documented {
		if b.Coded[kind] == "" {
			problems.add("docs/openapi.yaml lists the problem %s, which no code answers with: take it out", kind)
		}
	}
	return problems
}
