package bundle

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"newsletter/internal/local/samtemplate"
)

// alarmed holds the series watched by alarms.
type alarmed []series

// contains reports whether a metric of a resource is watched.
func (a alarmed) contains(metric, dimension, resource string) bool {
	return slices.ContainsFunc(a, func(s series) bool { return s.Metric == metric && s.Dimensions[dimension] == "<"+resource+">" })
}

// maxAlarms keeps the alarms few enough to know each (docs/dashboard.md).
const maxAlarms = 12

// checkAlarms checks that everything the system cannot observe itself has an alarm, and that each alarm has a
// recipient.
func (b *bundle) checkAlarms(s *Stack) []string {
	var problems problems
	var all alarmed
	page, err := os.ReadFile(filepath.Join(b.Root, "docs", "dashboard.md"))
	if err != nil {
		problems.add("docs/dashboard.md: %v: it documents the response to each alarm", err)
	}
	if alarms := s.ids("AWS::CloudWatch::Alarm"); len(alarms) > maxAlarms {
		problems.add("template.yaml: %d alarms, more than %d: let one watch several resources", len(alarms), maxAlarms)
	}
	hasDeadMansSwitch := false
	for _, id := range s.ids("AWS::CloudWatch::Alarm") {
		properties := s.properties(id)
		watched := alarmSeries(properties)
		all = append(all, watched...)
		hasDeadMansSwitch = hasDeadMansSwitch || isDeadMansSwitch(properties, watched)
		s.checkAlarm(id, watched, &problems)
		if !strings.Contains(string(page), "`"+id+"`") {
			problems.add("docs/dashboard.md does not list the alarm %s: describe when it fires and how to respond", id)
		}
	}
	if !hasDeadMansSwitch {
		problems.add("template.yaml: no alarm fires when health stops running: add an alarm on SampleCount of Health, below 1, " +
			"with TreatMissingData: breaching")
	}
	for _, id := range s.functions() {
		s.checkFunctionAlarms(id, all, &problems)
	}
	for _, api := range s.ids("AWS::ApiGatewayV2::Api") {
		if !all.contains("5xx", "ApiId", api) {
			problems.add("template.yaml: no alarm watches 5xx of %s", api)
		}
	}
	for _, queue := range s.deadLetterQueues() {
		if !all.contains("ApproximateNumberOfMessagesVisible", "QueueName", queue+".QueueName") {
			problems.add("template.yaml: no alarm fires on dead letters in %s: watch ApproximateNumberOfMessagesVisible", queue)
		}
	}
	return problems
}

// alarmSeries returns the series of an alarm: its metric, or the metrics of its expression.
func alarmSeries(properties map[string]any) []series {
	stats := list(properties["Metrics"])
	if stats == nil {
		stats = []any{map[string]any{"MetricStat": map[string]any{"Metric": properties, "Stat": properties["Statistic"]}}}
	}
	var all []series
	for _, stat := range stats {
		of, found := mapping(stat)["MetricStat"]
		if !found {
			continue // the expression
		}
		metric := mapping(mapping(of)["Metric"])
		s := series{text(metric["Namespace"]), text(metric["MetricName"]), text(mapping(of)["Stat"]), map[string]string{}}
		for _, dimension := range list(metric["Dimensions"]) {
			s.Dimensions[text(mapping(dimension)["Name"])] = text(mapping(dimension)["Value"])
		}
		all = append(all, s)
	}
	return all
}

// isDeadMansSwitch reports whether an alarm fires when health stops writing its metric.
func isDeadMansSwitch(properties map[string]any, watched []series) bool {
	return len(watched) == 1 && watched[0].Namespace == namespace && watched[0].Metric == "Health" &&
		watched[0].Statistic == "SampleCount" && properties["ComparisonOperator"] == "LessThanThreshold" &&
		number(properties["Threshold"]) == 1 && properties["TreatMissingData"] == "breaching"
}

func (s *Stack) checkAlarm(id string, watched []series, problems *problems) {
	properties := s.properties(id)
	for _, series := range watched {
		if wrong := series.wrong(); wrong != "" {
			problems.add("template.yaml: the alarm %s: %s", id, wrong)
		}
	}
	for _, actions := range []string{"AlarmActions", "OKActions"} {
		notifies := slices.ContainsFunc(list(properties[actions]), func(action any) bool { return s.target(action) == "AWS::SNS::Topic" })
		if !notifies || properties["ActionsEnabled"] == false {
			problems.add("template.yaml: the alarm %s notifies nobody: set %s: [!Ref AlarmTopic]", id, actions)
		}
	}
	if text(properties["AlarmDescription"]) == "" || text(properties["TreatMissingData"]) == "" {
		problems.add("template.yaml: the alarm %s needs AlarmDescription, for the person on call, and TreatMissingData", id)
	}
}

// checkFunctionAlarms checks that failures which a function cannot observe itself have alarms.
func (s *Stack) checkFunctionAlarms(id string, all alarmed, problems *problems) {
	needed := []string{"Throttles"}
	if s.invokes("AWS::Scheduler::Schedule", id) {
		needed = append(needed, "Errors")
		if id != "HealthFunction" { // whose own metric is watched
			needed = append(needed, "Invocations")
		}
	}
	for _, metric := range needed {
		if !all.contains(metric, "FunctionName", id) {
			problems.add("template.yaml: no alarm watches %s of %s: add one like that of the other functions", metric, id)
		}
	}
	if queue := s.queueOf(id); queue != "" && !all.contains("ApproximateAgeOfOldestMessage", "QueueName", queue+".QueueName") {
		problems.add("template.yaml: no alarm fires when messages wait in %s: watch ApproximateAgeOfOldestMessage", queue)
	}
}

// deadLetterQueues returns the queues that properties for dead letters name.
func (s *Stack) deadLetterQueues() []string {
	var queues []string
	var walk func(v any)
	walk = func(v any) {
		for key, member := range mapping(v) {
			if slices.Contains([]string{"deadLetterTargetArn", "DeadLetterQueue", "DeadLetterConfig", "OnFailure"}, key) {
				queues = append(queues, samtemplate.References(member)...)
			}
			walk(member)
		}
		if items, ok := v.([]any); ok {
			for _, item := range items {
				walk(item)
			}
		}
	}
	walk(s.Resources)
	slices.Sort(queues)
	return slices.Compact(queues)
}
