// Package emfcheck checks log lines against the CloudWatch Embedded Metric Format specification and reads their
// metrics.
package emfcheck

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
)

// Value is a value of a metric.
type Value struct {
	Namespace, Name, Unit string
	Dimensions            map[string]string
	Value                 float64
}

// The limits and units of the specification.
const (
	maxDimensions     = 30
	maxDimensionBytes = 1024
	maxMetrics        = 100
	maxValues         = 100
	maxBytes          = 1 << 20
)

var units = []string{
	"Seconds", "Microseconds", "Milliseconds", "Bytes", "Kilobytes", "Megabytes", "Gigabytes", "Terabytes", "Bits", "Kilobits",
	"Megabits", "Gigabits", "Terabits", "Percent", "Count", "Bytes/Second", "Count/Second", "None",
}

type directive struct {
	Namespace  string
	Dimensions [][]string
	Metrics    []struct {
		Name, Unit        string
		StorageResolution int
	}
}

// Parse reads the metrics of a log line, none if the line has none. It returns an error for a line that violates the
// specification, whose metrics CloudWatch would drop silently.
func Parse(line []byte) ([]Value, error) {
	var root map[string]json.RawMessage
	if err := json.Unmarshal(line, &root); err != nil || root["_aws"] == nil {
		return nil, nil //nolint:nilerr // not JSON, so no metrics
	}
	if len(line) > maxBytes {
		return nil, fmt.Errorf("%d bytes", len(line))
	}
	var meta struct {
		Timestamp         json.Number
		CloudWatchMetrics []directive
		LogGroupName      string
	}
	decoder := json.NewDecoder(bytes.NewReader(root["_aws"]))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&meta); err != nil {
		return nil, fmt.Errorf("_aws: %w", err)
	}
	if ms, err := meta.Timestamp.Int64(); err != nil || ms < 1e12 || ms > 1e14 {
		return nil, fmt.Errorf("timestamp %q is not in milliseconds", meta.Timestamp)
	}
	if len(meta.CloudWatchMetrics) == 0 {
		return nil, fmt.Errorf("_aws without a directive")
	}
	var data []Value
	for _, d := range meta.CloudWatchMetrics {
		some, err := d.data(root)
		if err != nil {
			return nil, err
		}
		data = append(data, some...)
	}
	return data, nil
}

func (d directive) data(root map[string]json.RawMessage) ([]Value, error) {
	if n := len(d.Namespace); n == 0 || n > 1024 {
		return nil, fmt.Errorf("namespace of %d bytes", n)
	}
	if len(d.Dimensions) == 0 || len(d.Metrics) == 0 || len(d.Metrics) > maxMetrics {
		return nil, fmt.Errorf("%d sets of dimensions, %d metrics", len(d.Dimensions), len(d.Metrics))
	}
	var data []Value
	for _, set := range d.Dimensions {
		dimensions, err := values(set, root)
		if err != nil {
			return nil, err
		}
		for _, metric := range d.Metrics {
			if metric.Name == "" || len(metric.Name) > 1024 || !slices.Contains(units, metric.Unit) {
				return nil, fmt.Errorf("metric %q in %q", metric.Name, metric.Unit)
			}
			numbers, err := numbers(root[metric.Name])
			if err != nil {
				return nil, fmt.Errorf("%s: %w", metric.Name, err)
			}
			for _, v := range numbers {
				data = append(data, Value{d.Namespace, metric.Name, metric.Unit, dimensions, v})
			}
		}
	}
	return data, nil
}

func values(set []string, root map[string]json.RawMessage) (map[string]string, error) {
	if len(set) > maxDimensions {
		return nil, fmt.Errorf("%d dimensions", len(set))
	}
	dimensions := map[string]string{}
	for _, name := range set {
		var value string
		if err := json.Unmarshal(root[name], &value); err != nil || value == "" || len(value) > maxDimensionBytes {
			return nil, fmt.Errorf("the dimension %q is not a string at the root: %s", name, root[name])
		}
		dimensions[name] = value
	}
	return dimensions, nil
}

// numbers reads a number or a list of numbers.
func numbers(text json.RawMessage) ([]float64, error) {
	var list []float64
	if len(text) > 0 && text[0] != '[' {
		text = slices.Concat(json.RawMessage("["), text, json.RawMessage("]"))
	}
	if err := json.Unmarshal(text, &list); err != nil || len(list) == 0 || len(list) > maxValues {
		return nil, fmt.Errorf("the value is neither a number nor a list of at most %d numbers: %.80s", maxValues, text)
	}
	if slices.ContainsFunc(list, func(v float64) bool { return math.Abs(v) > math.Exp2(360) }) { // CloudWatch's range
		return nil, fmt.Errorf("a value is out of range")
	}
	return list, nil
}
