package bundle

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// alarmed holds the series watched by alarms that have no condition.
type alarmed []series

// contains reports whether a metric of a resource is watched.
func (a alarmed) contains(metric, dimension, resource string) bool {
	return slices.ContainsFunc(a, func(s series) bool { return s.Metric == metric && s.Dimensions[dimension] == resource })
}

// checkAlarms checks that everything the system cannot observe itself has an alarm, and that each alarm has a
// recipient.
func (b *Bundle) checkAlarms() []string {
	var problems problems
	var all alarmed
	page, err := os.ReadFile(filepath.Join(b.Root, "docs", "dashboard.md"))
	if err != nil {
		problems.add("docs/dashboard.md: %v: it documents the response to each alarm", err)
	}
	hasDeadMansSwitch := false
	for _, id := range sortedKeys(b.Template.Resources) {
		resource := mapping(b.Template.Resources[id])
		if resource["Type"] != "AWS::CloudWatch::Alarm" {
			continue
		}
		b.checkAlarm(id, &problems)
		if !strings.Contains(string(page), "`"+id+"`") {
			problems.add("docs/dashboard.md does not list the alarm %s: describe when it fires and how to respond", id)
		}
		if resource["Condition"] != nil {
			continue
		}
		properties := mapping(resource["Properties"])
		watched := alarmSeries(properties)
		all = append(all, watched...)
		hasDeadMansSwitch = hasDeadMansSwitch || b.isDeadMansSwitch(properties, watched)
	}
	if !hasDeadMansSwitch {
		problems.add("template.yaml: no alarm fires when health stops running: add an alarm on SampleCount of Health, below 1, " +
			"with TreatMissingData: breaching")
	}
	b.checkFunctionAlarms(all, &problems)
	b.checkQueueAlarms(all, &problems)
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
		s := series{value(metric["Namespace"]), value(metric["MetricName"]), value(mapping(of)["Stat"]), map[string]string{}}
		for _, dimension := range list(metric["Dimensions"]) {
			s.Dimensions[value(mapping(dimension)["Name"])] = value(mapping(dimension)["Value"])
		}
		all = append(all, s)
	}
	return all
}

// isDeadMansSwitch reports whether an alarm fires when health stops writing its metric.
func (b *Bundle) isDeadMansSwitch(properties map[string]any, watched []series) bool {
	return len(watched) == 1 && watched[0].Namespace == b.namespace() && watched[0].Metric == "Health" &&
		watched[0].Statistic == "SampleCount" && properties["ComparisonOperator"] == "LessThanThreshold" &&
		properties["Threshold"] == 1 && properties["TreatMissingData"] == "breaching"
}

func (b *Bundle) checkAlarm(id string, problems *problems) {
	properties := mapping(mapping(b.Template.Resources[id])["Properties"])
	for _, s := range alarmSeries(properties) {
		if wrong := b.wrong(s); wrong != "" {
			problems.add("template.yaml: the alarm %s: %s", id, wrong)
		}
	}
	for _, actions := range []string{"AlarmActions", "OKActions"} {
		notifies := slices.ContainsFunc(list(properties[actions]), func(action any) bool {
			return mapping(b.Template.Resources[value(action)])["Type"] == "AWS::SNS::Topic"
		})
		if !notifies || properties["ActionsEnabled"] == false {
			problems.add("template.yaml: the alarm %s notifies nobody: set %s: [!Ref AlarmTopic]", id, actions)
		}
	}
	if value(properties["AlarmDescription"]) == "" || value(properties["TreatMissingData"]) == "" {
		problems.add("template.yaml: the alarm %s needs AlarmDescription, for the person on call, and TreatMissingData", id)
	}
}

// checkFunctionAlarms checks that failures which a function cannot observe itself have alarms, and so do the API's 5xx.
func (b *Bundle) checkFunctionAlarms(all alarmed, problems *problems) {
	for _, name := range sortedKeys(b.Template.Functions) {
		f := b.Template.Functions[name]
		needed := []string{"Throttles"}
		if len(f.Schedules) > 0 {
			needed = append(needed, "Errors")
		}
		if len(f.Schedules) > 0 && name != "health" { // whose own metric is watched
			needed = append(needed, "Invocations")
		}
		if len(f.Topics) > 0 {
			needed = append(needed, "AsyncEventsDropped")
		}
		for _, metric := range needed {
			if !all.contains(metric, "FunctionName", f.ID) {
				problems.add("template.yaml: no alarm watches %s of %s: add one like that of the other functions", metric, f.ID)
			}
		}
		for _, queue := range f.Queues {
			if !all.contains("ApproximateAgeOfOldestMessage", "QueueName", queue+".QueueName") {
				problems.add("template.yaml: no alarm fires when messages wait in %s: watch ApproximateAgeOfOldestMessage", queue)
			}
		}
	}
	for _, id := range sortedKeys(b.Template.Resources) {
		if mapping(b.Template.Resources[id])["Type"] == "AWS::Serverless::HttpApi" && !all.contains("5xx", "ApiId", id) {
			problems.add("template.yaml: no alarm watches 5xx of %s", id)
		}
	}
}

// deadLetters are the properties that name a dead-letter queue.
var deadLetters = []string{"deadLetterTargetArn", "DeadLetterQueue", "DeadLetterConfig", "OnFailure"}

// checkQueueAlarms checks that each dead-letter queue has an alarm.
func (b *Bundle) checkQueueAlarms(all alarmed, problems *problems) {
	var queues []string
	var walk func(v any, dead bool)
	walk = func(v any, dead bool) {
		if target, found := mapping(v)["Fn::GetAtt"].(string); found && dead {
			queues = append(queues, strings.TrimSuffix(target, ".Arn"))
		}
		for key, member := range mapping(v) {
			walk(member, dead || slices.Contains(deadLetters, key))
		}
		for _, item := range list(v) {
			walk(item, dead)
		}
	}
	walk(b.Template.Resources, false)
	slices.Sort(queues)
	for _, queue := range slices.Compact(queues) {
		if !all.contains("ApproximateNumberOfMessagesVisible", "QueueName", queue+".QueueName") {
			problems.add("template.yaml: no alarm fires on dead letters in %s: watch ApproximateNumberOfMessagesVisible", queue)
		}
	}
}
