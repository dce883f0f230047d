package bundle

import (
	"strings"
	"testing"
)

func TestAlarmViolationsAreReported(t *testing.T) {
	t.Parallel()
	alarm := func(id string) string { return "  " + id + ":\n    Type: AWS::CloudWatch::Alarm\n" }
	without := func(id string) string { return "  " + id + ":\n    Type: " + gone + "\n" }
	const firstActions = "      AlarmActions: [!Ref AlarmTopic]\n      OKActions: [!Ref AlarmTopic]\n"
	checkChanges(t, map[string]change{
		"throttles unwatched":    {alarm("VisitorThrottles"), without("VisitorThrottles"), "no alarm watches Throttles of PrivacyFunction"},
		"one left out":           {"MetricName: Throttles, Dimensions: [{Name: FunctionName, Value: !Ref DeliverFunction}]", "MetricName: Throttles, Dimensions: [{Name: FunctionName, Value: !Ref MigrateFunction}]", "no alarm watches Throttles of DeliverFunction"},
		"too many":               {"\nResources:\n", "\nResources:\n  Thirteenth: {Type: AWS::CloudWatch::Alarm, Properties: {}}\n", "13 alarms, more than 12"},
		"errors unwatched":       {alarm("MaintainErrors"), without("MaintainErrors"), "no alarm watches Errors of MaintainFunction"},
		"invocations unwatched":  {alarm("DeliverStopped"), without("DeliverStopped"), "no alarm watches Invocations of DeliverFunction"},
		"dead letters unwatched": {alarm("QueueDeadLetters"), without("QueueDeadLetters"), "dead letters in EmailEventsDeadLetters:"},
		"new dead-letter queue":  {"deadLetterTargetArn: !GetAtt UnsubscribeDeadLetters.Arn", "deadLetterTargetArn: !GetAtt Other.Arn", "dead letters in Other:"},
		"queue unwatched":        {alarm("QueueAge"), without("QueueAge"), "messages wait in UnsubscribeQueue"},
		"API unwatched":          {alarm("ApiServerErrors"), without("ApiServerErrors"), "no alarm watches 5xx of Api"},
		"no dead man's switch":   {alarm("HealthStopped"), without("HealthStopped"), "no alarm fires when health stops running"},
		"missing data ignored":   {"      TreatMissingData: breaching\n", "      TreatMissingData: notBreaching\n", "no alarm fires when health stops running"},
		"wrong statistic":        {"      Statistic: SampleCount\n", "      Statistic: Sum\n", "no alarm fires when health stops running"},
		"conditional alarm":      {alarm("HealthErrors"), alarm("HealthErrors") + "    Condition: Reserved\n", "no alarm watches Errors of HealthFunction"},
		"no alarm action":        {firstActions, "      OKActions: [!Ref AlarmTopic]\n", "set AlarmActions"},
		"no OK action":           {firstActions, "      AlarmActions: [!Ref AlarmTopic]\n", "set OKActions"},
		"action is not a topic":  {firstActions, "      AlarmActions: [!Ref HealthLogs]\n      OKActions: [!Ref AlarmTopic]\n", "set AlarmActions"},
		"alarm disabled":         {firstActions, "      ActionsEnabled: false\n" + firstActions, "the alarm ApiServerErrors notifies nobody"},
		"no description":         {"      AlarmDescription: health is not running", "      AlarmName: health is not running", "HealthStopped needs AlarmDescription"},
		"alarm not described":    {alarm("HealthErrors"), alarm("Extra") + "    Properties: {}\n" + alarm("HealthErrors"), "does not list the alarm Extra"},
		"metric of REST APIs":    {"MetricName: 5xx,", "MetricName: 5XXError,", "AWS/ApiGateway 5XXError is not a known metric"},
		"unknown metric":         {"      MetricName: Health\n", "      MetricName: Healthy\n", "Healthy is not in the catalogue"},
		"other dimension":        {"Dimensions: [{Name: FunctionName, Value: !Ref DeliverFunction}]", "Dimensions: [{Name: Function, Value: !Ref DeliverFunction}]", "has the dimension FunctionName"},
		"wrong namespace":        {"      Namespace: !Sub Newsletter/${AWS::StackName}\n", "      Namespace: Newsletter\n", "Newsletter Health is not a known metric"},
	})
}

func TestDashboardViolationsAreReported(t *testing.T) {
	t.Parallel()
	const latency = `endpoint} MetricName=\"Duration\"', 'p50', 300)`
	checkChanges(t, map[string]change{
		"no dashboard":            {"Type: AWS::CloudWatch::Dashboard", "Type: " + gone, "no dashboard draws Duration"},
		"not JSON":                {`"start": "-PT12H",`, `"start": "-PT12H"`, "DashboardBody is not JSON"},
		"not substituted":         {"DashboardBody: !Sub |", "DashboardBody: |", "needs title, type, metrics or alarms, and region"},
		"unknown member":          {`"start":`, `"begin":`, "unknown field"},
		"unknown metric":          {`MetricName=\"SignUps\"`, `MetricName=\"Signups\"`, "Signups is not in the catalogue"},
		"metric forgotten":        {`MetricName=\"SignUps\"`, `MetricName=\"Signups\"`, "no dashboard draws SignUps"},
		"dimension forgotten":     {",backend,decision}", ",backend}", "LimiterDecisions has the dimensions [backend decision]"},
		"sum of durations":        {latency, strings.Replace(latency, "p50", "Sum", 1), "Duration is a duration: use a percentile"},
		"namespace not quoted":    {`{\"Newsletter/${AWS::StackName}\",` + latency, `{Newsletter/${AWS::StackName},` + latency, "is not a supported search"},
		"gauge without statistic": {`"OutboxReady", {"stat": "Maximum"}`, `"OutboxReady", {"label": "ready"}`, "and a stat"},
		"unknown option":          {`"OutboxReady", {"stat": "Maximum"}`, `"OutboxReady", {"statistic": "Maximum"}`, "does not end with known options"},
		"function forgotten":      {`"Throttles", "FunctionName", "${PrivacyFunction}"`, `"Errors", "FunctionName", "${PrivacyFunction}"`, "draws Throttles of PrivacyFunction"},
		"alarm forgotten":         {`"${HealthStopped.Arn}", `, "", "shows the alarm HealthStopped"},
		"overlap":                 {`"x": 8, "y": 4,`, `"x": 7, "y": 4,`, "overlap"},
		"too wide":                {`"x": 16, "y": 4, "width": 8`, `"x": 16, "y": 4, "width": 9`, "exceeds the dashboard's 24"},
		"other region":            {`"region": "${AWS::Region}"`, `"region": "us-east-1"`, "region ${AWS::Region}"},
	})
}
