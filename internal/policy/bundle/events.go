package bundle

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"newsletter/internal/policy/settings"
)

// A sampleEvent is an event in events/.
type sampleEvent struct {
	File string // relative to the root: "events/subscribe/json.json"
	// Path is the matched route's and Method the request's, of HTTP events.
	Path, Method string
	// Scheduled is set for events of EventBridge Scheduler (its bare input) and of EventBridge rules.
	Scheduled bool
}

// shape has the members that identify the kind of an event.
type shape struct {
	RouteKey       string `json:"routeKey"`
	RawPath        string `json:"rawPath"`
	RequestContext struct {
		HTTP struct {
			Method string `json:"method"`
			Path   string `json:"path"`
		} `json:"http"`
	} `json:"requestContext"`
	Scheduled  bool   `json:"scheduled"`
	DetailType string `json:"detail-type"`
}

// readEvents reads events/<function>/*.json.
func readEvents(root string) (map[string][]sampleEvent, error) {
	files, err := filepath.Glob(filepath.Join(root, "events", "*", "*"))
	if err != nil {
		return nil, err
	}
	slices.Sort(files)
	all := map[string][]sampleEvent{}
	for _, file := range files {
		name, err := filepath.Rel(root, file)
		if err != nil {
			return nil, err
		}
		name = filepath.ToSlash(name)
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var s shape
		if err := json.Unmarshal(text, &s); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		function := strings.Split(name, "/")[1]
		_, path, _ := strings.Cut(s.RouteKey, " ")
		event := sampleEvent{
			File: name, Path: path, Method: s.RequestContext.HTTP.Method,
			Scheduled: s.Scheduled || s.DetailType == "Scheduled Event",
		}
		if event.Method != "" && s.RequestContext.HTTP.Path != s.RawPath {
			return nil, fmt.Errorf("%s: rawPath and requestContext.http.path differ", name)
		}
		all[function] = append(all[function], event)
	}
	return all, nil
}

// checkEvents checks that every function, route and schedule has sample events, and that every event belongs to one.
func (b *bundle) checkEvents() []string {
	var problems problems
	for _, name := range sortedKeys(b.Events) {
		if b.Functions[name] == nil {
			problems.add("events/%s belongs to no function: rename or delete it", name)
			continue
		}
		for _, event := range b.Events[name] {
			// Samples with paths of no function are answered with 404.
			if event.Path != "" && !b.Functions[name].serves(event.Path) && b.isRoute(event.Path) {
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
			if !slices.ContainsFunc(events, func(e sampleEvent) bool { return e.Method+" "+e.Path == route }) {
				problems.add("events/%s has no %s: add a sample event", name, route)
			}
		}
		scheduled := slices.ContainsFunc(f.Variables, func(v settings.Variable) bool { return v.Name == "SCHEDULE" })
		if scheduled && !slices.ContainsFunc(events, func(e sampleEvent) bool { return e.Scheduled }) {
			problems.add(`events/%s has no scheduled event: add one with {"scheduled":true}`, name)
		}
	}
	return problems
}

// isRoute reports whether any function serves a path.
func (b *bundle) isRoute(path string) bool {
	for _, f := range b.Functions {
		if f.serves(path) {
			return true
		}
	}
	return false
}

func (f *function) serves(path string) bool {
	return slices.ContainsFunc(f.Routes, func(route string) bool { return strings.HasSuffix(route, " "+path) })
}
