package bundle

import "slices"

// checkEvents checks that every function, route and schedule has sample events, and that every event belongs to one.
func (b *Bundle) checkEvents() []string {
	var problems problems
	for _, name := range sortedKeys(b.Events) {
		f := b.Functions[name]
		if f == nil {
			problems.add("events/%s belongs to no function: rename or delete it", name)
			continue
		}
		for _, event := range b.Events[name] {
			if event.Path != "" && !slices.ContainsFunc(f.Routes, func(r Route) bool { return r.Path == event.Path }) &&
				b.isRoute(event.Path) {
				problems.add("%s has the path %s, a route of another function: move it", event.File, event.Path)
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

// isRoute reports whether any function serves a path. Samples with other paths are answered with 404.
func (b *Bundle) isRoute(path string) bool {
	for _, f := range b.Functions {
		if slices.ContainsFunc(f.Routes, func(r Route) bool { return r.Path == path }) {
			return true
		}
	}
	return false
}

// checkContract checks that the code and docs/openapi.yaml have the same routes and problem types.
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
					problems.add("functions/%s handles %s %s, which docs/openapi.yaml does not describe: add it", name, method, route.Path)
				}
			}
			for _, method := range b.Contract[route.Path] {
				if !slices.Contains(want, method) {
					problems.add("docs/openapi.yaml describes %s %s, which functions/%s does not handle: remove it", method, route.Path, name)
				}
			}
		}
	}
	for _, path := range sortedKeys(b.Contract) {
		if !served[path] {
			problems.add("docs/openapi.yaml describes %s, which no function serves: remove it", path)
		}
	}
	for _, kind := range sortedKeys(b.Coded) {
		if !slices.Contains(b.Documented, kind) {
			problems.add("docs/openapi.yaml does not list the problem %s (%s): add it to Problem.type", kind, b.Coded[kind])
		}
	}
	for _, kind := range b.Documented {
		if b.Coded[kind] == "" {
			problems.add("docs/openapi.yaml lists the problem %s, which no code returns: remove it", kind)
		}
	}
	return problems
}
