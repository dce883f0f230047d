package telemetry

import (
	"encoding/json"
	"log/slog"
	"slices"
	"time"
)

// Limits of the Embedded Metric Format specification.
const (
	maxValues  = 100 // of a metric in a document
	maxMetrics = 100 // in a directive
)

// JSON is a value of a log line that is written as it is: the logger scrubs and flattens all others.
type JSON []byte

// MarshalJSON implements json.Marshaler.
func (j JSON) MarshalJSON() ([]byte, error) { return j, nil }

// Documents gives the figures as attributes of log lines, one slice a line, and forgets them. The first line may be the
// one that is written anyway: root are texts that its root holds already, such as the function's name. Further lines are
// needed where a dimension has several values.
func (m *Metrics) Documents(namespace string, at time.Time, root map[string]string) [][]slog.Attr {
	var documents []*document
	for _, s := range m.take() {
		i := slices.IndexFunc(documents, func(d *document) bool { return d.fits(s) })
		if i < 0 {
			documents, i = append(documents, newDocument(root, len(documents) == 0)), len(documents)
			if !documents[i].fits(s) { // the line that is written anyway says something else by this name
				documents, i = append(documents, newDocument(root, false)), i+1
			}
		}
		documents[i].add(s)
	}
	var lines [][]slog.Attr
	for i, d := range documents {
		if i == 0 || len(d.directives) > 0 {
			lines = append(lines, d.attrs(namespace, at))
		}
	}
	return lines
}

// functionName is the dimension that every line holds.
const functionName = "function_name"

// document is one line in the making.
type document struct {
	root       map[string]string // texts at the root
	own        []string          // those of them that this document adds, in order
	directives []directive
	values     []slog.Attr
	names      map[string]bool
}

type directive struct {
	Namespace  string     `json:"Namespace"`
	Dimensions [][]string `json:"Dimensions"`
	Metrics    []entry    `json:"Metrics"`
}

type entry struct {
	Name string `json:"Name"`
	Unit Unit   `json:"Unit"`
}

func newDocument(root map[string]string, anyway bool) *document {
	d := &document{root: map[string]string{}, names: map[string]bool{}}
	for key, value := range root {
		if anyway || key == functionName {
			d.root[key] = value
		}
	}
	return d
}

// fits says whether the document has no other value for one of the sample's dimensions, nor the metric.
func (d *document) fits(s sample) bool {
	if d.names[s.metric.Name] || len(d.names) == maxMetrics {
		return false
	}
	for i, name := range s.metric.Dimensions {
		if have, found := d.root[name]; found && have != s.dimension(i, d) {
			return false
		}
	}
	return true
}

// dimension is the value of a sample's dimension. The function's name is that of the line.
func (s sample) dimension(i int, d *document) string {
	if s.metric.Dimensions[i] == functionName {
		return d.root[functionName]
	}
	return s.dimensions[i]
}

func (d *document) add(s sample) {
	for i, name := range s.metric.Dimensions {
		if _, found := d.root[name]; !found {
			d.root[name] = s.dimension(i, d)
			d.own = append(d.own, name)
		}
	}
	names := s.metric.Dimensions
	if names == nil {
		names = []string{}
	}
	i := slices.IndexFunc(d.directives, func(o directive) bool { return slices.Equal(o.Dimensions[0], names) })
	if i < 0 {
		d.directives, i = append(d.directives, directive{Dimensions: [][]string{names}}), len(d.directives)
	}
	d.directives[i].Metrics = append(d.directives[i].Metrics, entry{s.metric.Name, s.metric.Unit})
	d.names[s.metric.Name] = true
	d.values = append(d.values, value(s))
}

// value is a number, or a list of them.
func value(s sample) slog.Attr {
	if len(s.values) == 1 {
		return slog.Float64(s.metric.Name, s.values[0])
	}
	text, err := json.Marshal(s.values)
	if err != nil { // it cannot be: Add takes numbers alone
		return slog.Float64(s.metric.Name, s.values[0])
	}
	return slog.Any(s.metric.Name, JSON(text))
}

func (d *document) attrs(namespace string, at time.Time) []slog.Attr {
	if len(d.directives) == 0 {
		return nil
	}
	for i := range d.directives {
		d.directives[i].Namespace = namespace
	}
	text, err := json.Marshal(struct {
		Timestamp  int64       `json:"Timestamp"`
		Directives []directive `json:"CloudWatchMetrics"`
	}{at.UnixMilli(), d.directives})
	if err != nil {
		return nil
	}
	attrs := []slog.Attr{slog.Any("_aws", JSON(text))}
	for _, name := range d.own {
		attrs = append(attrs, slog.String(name, d.root[name]))
	}
	return append(attrs, d.values...)
}
