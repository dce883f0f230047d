package bundle

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"newsletter/shared/telemetry"
)

// series is a CloudWatch metric with its dimensions, as used by an alarm or the dashboard.
type series struct {
	Namespace, Metric, Statistic string
	// Dimensions by name: a reference to a resource or attribute, or "" for all values.
	Dimensions map[string]string
}

// awsMetrics maps the known metrics of AWS to their dimension. Sources: Lambda developer guide, "Types of metrics for
// Lambda functions"; API Gateway developer guide, "Monitor CloudWatch metrics for HTTP APIs", whose names are not those
// of REST APIs; SQS developer guide, "Available CloudWatch metrics for Amazon SQS".
var awsMetrics = map[string]string{
	"AWS/ApiGateway 4xx":                         "ApiId",
	"AWS/ApiGateway 5xx":                         "ApiId",
	"AWS/ApiGateway Count":                       "ApiId",
	"AWS/Lambda ConcurrentExecutions":            "FunctionName",
	"AWS/Lambda Errors":                          "FunctionName",
	"AWS/Lambda Invocations":                     "FunctionName",
	"AWS/Lambda Throttles":                       "FunctionName",
	"AWS/SQS ApproximateAgeOfOldestMessage":      "QueueName",
	"AWS/SQS ApproximateNumberOfMessagesVisible": "QueueName",
}

// namespace is that of the functions' own metrics, which METRICS_NAMESPACE sets.
const namespace = "Newsletter/<AWS::StackName>"

// own returns the catalogue's metric of this name, or nil.
func own(name string) *telemetry.Metric {
	i := slices.IndexFunc(telemetry.Catalog, func(m *telemetry.Metric) bool { return m.Name == name })
	if i < 0 {
		return nil
	}
	return telemetry.Catalog[i]
}

// wrong returns the mistake in a series, or "". A metric that is never written has no values, which neither a graph nor
// an alarm would show.
func (s series) wrong() string {
	dimensions := slices.Sorted(maps.Keys(s.Dimensions))
	if s.Namespace != namespace {
		want, known := awsMetrics[s.Namespace+" "+s.Metric]
		if !known {
			return fmt.Sprintf("%s %s is not a known metric", s.Namespace, s.Metric)
		}
		if !slices.Equal(dimensions, []string{want}) {
			return fmt.Sprintf("%s has the dimension %s, not %v", s.Metric, want, dimensions)
		}
		return ""
	}
	metric := own(s.Metric)
	if metric == nil {
		return fmt.Sprintf("%s is not in the catalogue of shared/telemetry", s.Metric)
	}
	if want := slices.Sorted(slices.Values(metric.Dimensions)); !slices.Equal(dimensions, want) {
		return fmt.Sprintf("%s has the dimensions %v, not %v", s.Metric, want, dimensions)
	}
	if metric.Unit == telemetry.Milliseconds && !strings.HasPrefix(s.Statistic, "p") {
		return fmt.Sprintf("%s is a duration: use a percentile, not %s", s.Metric, s.Statistic)
	}
	return ""
}
