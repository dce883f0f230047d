package bundle

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"newsletter/shared/telemetry"
)

// dashboard is the body of a CloudWatch dashboard, with the members that the template uses. Source: CloudWatch API
// reference, "Dashboard Body Structure and Syntax".
type dashboard struct {
	Start   string   `json:"start"`
	Widgets []widget `json:"widgets"`
}

type widget struct {
	Type       string `json:"type"` // "metric" or "alarm"
	X          int    `json:"x"`
	Y          int    `json:"y"`
	Width      int    `json:"width"`
	Height     int    `json:"height"`
	Properties struct {
		Title       string              `json:"title"`
		Region      string              `json:"region"`
		View        string              `json:"view"`
		Period      int                 `json:"period"`
		Metrics     [][]json.RawMessage `json:"metrics"`
		Alarms      []string            `json:"alarms"`
		Annotations json.RawMessage     `json:"annotations"`
	} `json:"properties"`
}

// gridColumns is the width of a dashboard's grid (ibid.).
const gridColumns = 24

// lineOptions are the rendering options of one line of a graph.
type lineOptions struct {
	Expression string `json:"expression"`
	Stat       string `json:"stat"`
	Label      string `json:"label"`
	YAxis      string `json:"yAxis"`
}

// checkDashboards checks that CloudWatch accepts each dashboard and that its metrics exist. Together the dashboards
// must show every metric of the catalogue, every function's throttles and every alarm.
func (b *bundle) checkDashboards(s *Stack) []string {
	var problems problems
	drawn, alarms := alarmed{}, []string{}
	for _, id := range s.ids("AWS::CloudWatch::Dashboard") {
		body, err := parseDashboard(text(s.properties(id)["DashboardBody"]))
		if err != nil {
			problems.add("template.yaml: %s: %v", id, err)
			continue
		}
		for i, w := range body.Widgets {
			alarms = append(alarms, w.Properties.Alarms...)
			drawn = append(drawn, checkWidget(w, body.Widgets[:i], &problems)...)
		}
	}
	for _, metric := range telemetry.Catalog {
		if !slices.ContainsFunc(drawn, func(s series) bool { return s.Namespace == namespace && s.Metric == metric.Name }) {
			problems.add("template.yaml: no dashboard draws %s: add it to NewsletterDashboard", metric.Name)
		}
	}
	for _, id := range s.functions() {
		if !drawn.contains("Throttles", "FunctionName", id) {
			problems.add("template.yaml: no dashboard draws Throttles of %s: add its lines to NewsletterDashboard", id)
		}
	}
	for _, id := range s.ids("AWS::CloudWatch::Alarm") {
		if !slices.Contains(alarms, "<"+id+".Arn>") {
			problems.add("template.yaml: no dashboard shows the alarm %s: add it to NewsletterDashboard", id)
		}
	}
	return problems
}

// parseDashboard parses a body, whose references are inside of strings.
func parseDashboard(text string) (*dashboard, error) {
	var body dashboard
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&body); err != nil {
		return nil, fmt.Errorf("DashboardBody is not JSON with known members: %w", err)
	}
	if decoder.More() {
		return nil, fmt.Errorf("DashboardBody is more than one JSON object")
	}
	return &body, nil
}

func checkWidget(w widget, before []widget, problems *problems) []series {
	title := w.Properties.Title
	if w.X < 0 || w.Y < 0 || w.Width < 1 || w.Height < 1 || w.X+w.Width > gridColumns {
		problems.add("template.yaml: the graph %q exceeds the dashboard's %d columns", title, gridColumns)
	}
	for _, other := range before {
		if w.X < other.X+other.Width && other.X < w.X+w.Width && w.Y < other.Y+other.Height && other.Y < w.Y+w.Height {
			problems.add("template.yaml: the graphs %q and %q overlap", other.Properties.Title, title)
		}
	}
	content := len(w.Properties.Metrics) > 0
	if w.Type == "alarm" {
		content = len(w.Properties.Alarms) > 0
	}
	if title == "" || !content || w.Type != "alarm" && (w.Type != "metric" || w.Properties.Region != "<AWS::Region>") {
		problems.add("template.yaml: the graph %q needs title, type, metrics or alarms, and region ${AWS::Region}", title)
	}
	var all []series
	for _, line := range w.Properties.Metrics {
		s, err := parseLine(line)
		if err != nil {
			problems.add("template.yaml: the graph %q: %v", title, err)
			continue
		}
		if wrong := s.wrong(); wrong != "" {
			problems.add("template.yaml: the graph %q: %s", title, wrong)
		}
		all = append(all, s)
	}
	return all
}

// search is the only form of search in use: one metric with all values of its dimensions. A namespace with a slash must
// be quoted. Source: CloudWatch user guide, "CloudWatch search expression syntax".
var search = regexp.MustCompile(`^SEARCH\('\{"([^"]+)"((?:,[A-Za-z_]+)+)\} MetricName="([A-Za-z]+)"', '(Sum|Maximum|Average|p[0-9]{2})', [0-9]+\)$`)

// parseLine parses one line of a graph: namespace, metric, dimension names and values, options; or only an expression.
func parseLine(line []json.RawMessage) (series, error) {
	var options lineOptions
	if len(line) == 0 {
		return series{}, fmt.Errorf("a line is empty")
	}
	decoder := json.NewDecoder(bytes.NewReader(line[len(line)-1]))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&options); err != nil {
		return series{}, fmt.Errorf("a line does not end with known options: %w", err)
	}
	var words []string
	for _, raw := range line[:len(line)-1] {
		var word string
		if err := json.Unmarshal(raw, &word); err != nil {
			return series{}, fmt.Errorf("%s is not a string: %w", raw, err)
		}
		words = append(words, word)
	}
	if options.Expression != "" {
		found := search.FindStringSubmatch(options.Expression)
		if found == nil || len(words) > 0 {
			return series{}, fmt.Errorf("%s is not a supported search", options.Expression)
		}
		s := series{found[1], found[3], found[4], map[string]string{}}
		for name := range strings.SplitSeq(found[2][1:], ",") {
			s.Dimensions[name] = ""
		}
		return s, nil
	}
	if len(words) < 2 || len(words)%2 != 0 || options.Stat == "" {
		return series{}, fmt.Errorf("%q needs a namespace, a metric, dimensions with values, and a stat", words)
	}
	s := series{words[0], words[1], options.Stat, map[string]string{}}
	for pair := range slices.Chunk(words[2:], 2) {
		s.Dimensions[pair[0]] = pair[1]
	}
	return s, nil
}
