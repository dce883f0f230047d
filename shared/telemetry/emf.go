package telemetry

import (
	"encoding/json"
	"log/slog"
	"slices"
	"time"
)

// Limits of the Embedded Metric Format specification.
const (
	maxValues  = 100 // per metric of a document
	maxMetrics = 100 // per directive
)

// JSON is a value that the logger writes unchanged. It scrubs and flattens all others.
type JSON []byte

// MarshalJSON implements json.Marshaler.
func (j JSON) MarshalJSON() ([]byte, error) { return j, nil }

// Documents removes all values and returns them as attributes of log lines, one slice per line. The first line can be
// one that is written anyway: root contains the texts that it already has, such as the function's name. Further lines
// are needed where a dimension has several values.
func (m *Metrics) Documents(namespace string, at time.Time, root map[string]string) [][]slog.Attr {
	var documents []*document
	for _, s := range m.take() {
		i := slices.IndexFunc(documents, func(d *document) bool { return d.fits(s) })
		if i < 0 {
			documents, i = append(documents, newDocument(root, len(documents) == 0)), len(documents)
			if !documents[i].fits(s) { // the first line has another value for this name
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

// functionName is the dimension that every line contains.
const functionName = "function_name"

// document collects one line.
type document struct {
	root       map[string]string // texts in the line's root
	own        []string          // names in root that this document adds, in order
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

// newDocument returns a document for the first line, which has all texts of root, or for a further one.
func newDocument(root map[string]string, first bool) *document {
	d := &document{root: map[string]string{}, names: map[string]bool{}}
	for key, value := range root {
		if first || key == functionName {
			d.root[key] = value
		}
	}
	return d
}

// fits reports whether a sample can be added: the document lacks the metric and has no other value for its dimensions.
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

// dimension returns the value of a sample's dimension. The function's name is that of the line.
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

// value returns a sample's number or list of numbers.
func value(s sample) slog.Attr {
	if len(s.values) == 1 {
		return slog.Float64(s.metric.Name, s.values[0])
	}
	text, err := json.Marshal(s.values)
	if err != nil { // impossible: Add accepts only numbers
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
