package bundle

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// alarmed are the series that alarms watch which always exist.
type alarmed []series

// watches says whether one of the alarms is about a metric of a resource.
func (a alarmed) watches(metric, dimension, resource string) bool {
	return slices.ContainsFunc(a, func(s series) bool { return s.Metric == metric && s.Dimensions[dimension] == resource })
}

// checkAlarms wants an alarm for each thing that the system cannot see of itself, and somebody to hear of each alarm.
func (b *Bundle) checkAlarms() []string {
	var problems problems
	var all alarmed
	page, err := os.ReadFile(filepath.Join(b.Root, "docs", "dashboard.md"))
	if err != nil {
		problems.add("docs/dashboard.md: %v: it says what to do about each alarm", err)
	}
	silence := false
	for _, id := range sortedKeys(b.Template.Resources) {
		resource := mapping(b.Template.Resources[id])
		if resource["Type"] != "AWS::CloudWatch::Alarm" {
			continue
		}
		b.checkAlarm(id, &problems)
		if !strings.Contains(string(page), "`"+id+"`") {
			problems.add("docs/dashboard.md does not list the alarm %s: say when it is raised and what to do", id)
		}
		if resource["Condition"] != nil {
			continue
		}
		properties := mapping(resource["Properties"])
		watched := alarmSeries(properties)
		all = append(all, watched...)
		silence = silence || b.isSilence(properties, watched)
	}
	if !silence {
		problems.add("template.yaml: nothing says when health is silent: add an alarm on SampleCount of Health, below 1, " +
			"with TreatMissingData: breaching")
	}
	b.checkFunctionAlarms(all, &problems)
	b.checkQueueAlarms(all, &problems)
	return problems
}

// alarmSeries are what an alarm watches: one metric, or those of its expression.
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

// isSilence says whether an alarm is the dead man's switch.
func (b *Bundle) isSilence(properties map[string]any, watched []series) bool {
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
		told := slices.ContainsFunc(list(properties[actions]), func(action any) bool {
			return mapping(b.Template.Resources[value(action)])["Type"] == "AWS::SNS::Topic"
		})
		if !told || properties["ActionsEnabled"] == false {
			problems.add("template.yaml: nobody hears of the alarm %s: set %s: [!Ref AlarmTopic]", id, actions)
		}
	}
	if value(properties["AlarmDescription"]) == "" || value(properties["TreatMissingData"]) == "" {
		problems.add("template.yaml: the alarm %s needs AlarmDescription, for whoever is woken, and TreatMissingData", id)
	}
}

// checkFunctionAlarms wants alarms for what happens to a function from outside of it, and for the API in front.
func (b *Bundle) checkFunctionAlarms(all alarmed, problems *problems) {
	for _, name := range sortedKeys(b.Template.Functions) {
		f := b.Template.Functions[name]
		needed := []string{"Throttles"}
		if len(f.Schedules) > 0 {
			needed = append(needed, "Errors")
		}
		if len(f.Schedules) > 0 && name != "health" { // whose silence is seen by its own metric
			needed = append(needed, "Invocations")
		}
		if len(f.Topics) > 0 {
			needed = append(needed, "AsyncEventsDropped")
		}
		for _, metric := range needed {
			if !all.watches(metric, "FunctionName", f.ID) {
				problems.add("template.yaml: no alarm watches %s of %s: add one, as the other functions have", metric, f.ID)
			}
		}
		for _, queue := range f.Queues {
			if !all.watches("ApproximateAgeOfOldestMessage", "QueueName", queue+".QueueName") {
				problems.add("template.yaml: no alarm says when messages wait in %s: watch ApproximateAgeOfOldestMessage", queue)
			}
		}
	}
	for _, id := range sortedKeys(b.Template.Resources) {
		if mapping(b.Template.Resources[id])["Type"] == "AWS::Serverless::HttpApi" && !all.watches("5xx", "ApiId", id) {
			problems.add("template.yaml: no alarm watches 5xx of %s", id)
		}
	}
}

// deadLetters are the members of resources that name where messages go that nobody could handle.
var deadLetters = []string{"deadLetterTargetArn", "DeadLetterQueue", "DeadLetterConfig", "OnFailure"}

// checkQueueAlarms wants an alarm for each queue of dead letters.
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
		if !all.watches("ApproximateNumberOfMessagesVisible", "QueueName", queue+".QueueName") {
			problems.add("template.yaml: no alarm says that there are dead letters in %s: watch ApproximateNumberOfMessagesVisible", queue)
		}
	}
}
