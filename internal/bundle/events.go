package bundle

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// An Event is a sample event.
type Event struct {
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
func readEvents(root string) (map[string][]Event, error) {
	files, err := filepath.Glob(filepath.Join(root, "events", "*", "*"))
	if err != nil {
		return nil, err
	}
	slices.Sort(files)
	all := map[string][]Event{}
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
		event := Event{
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
