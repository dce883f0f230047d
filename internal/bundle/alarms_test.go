package bundle

import (
	"strings"
	"testing"
)

// gone turns a resource into one that watches nothing.
const gone = "AWS::CloudFormation::WaitConditionHandle"

func TestAlarmViolationsAreReported(t *testing.T) {
	alarm := func(id string) string { return "  " + id + ":\n    Type: AWS::CloudWatch::Alarm\n" }
	without := func(id string) string { return "  " + id + ":\n    Type: " + gone + "\n" }
	const firstActions = "      AlarmActions: [!Ref AlarmTopic]\n      OKActions: [!Ref AlarmTopic]\n"
	seen(t, map[string]change{
		"throttles unwatched":     {alarm("PrivacyThrottles"), without("PrivacyThrottles"), "no alarm watches Throttles of PrivacyFunction"},
		"crashes unwatched":       {alarm("MaintainErrors"), without("MaintainErrors"), "no alarm watches Errors of MaintainFunction"},
		"starts unwatched":        {alarm("DeliverStopped"), without("DeliverStopped"), "no alarm watches Invocations of DeliverFunction"},
		"lost events unwatched":   {alarm("EngagementDropped"), without("EngagementDropped"), "no alarm watches AsyncEventsDropped of EngagementFunction"},
		"dead letters unwatched":  {alarm("UnsubscribeDeadLettersAlarm"), without("UnsubscribeDeadLettersAlarm"), "dead letters in UnsubscribeDeadLetters:"},
		"new queue of the dead":   {"deadLetterTargetArn: !GetAtt UnsubscribeDeadLetters.Arn", "deadLetterTargetArn: !GetAtt Other.Arn", "dead letters in Other:"},
		"waiting unwatched":       {alarm("UnsubscribeQueueAlarm"), without("UnsubscribeQueueAlarm"), "messages wait in UnsubscribeQueue"},
		"API unwatched":           {alarm("ApiServerErrors"), without("ApiServerErrors"), "no alarm watches 5xx of Api"},
		"silence unwatched":       {alarm("HealthStopped"), without("HealthStopped"), "nothing says when health is silent"},
		"silence is no news":      {"      TreatMissingData: breaching\n", "      TreatMissingData: notBreaching\n", "nothing says when health is silent"},
		"silence of nothing":      {"      Statistic: SampleCount\n", "      Statistic: Sum\n", "nothing says when health is silent"},
		"only sometimes":          {alarm("HealthErrors"), alarm("HealthErrors") + "    Condition: Reserved\n", "no alarm watches Errors of HealthFunction"},
		"alarm nobody hears":      {firstActions, "      OKActions: [!Ref AlarmTopic]\n", "set AlarmActions"},
		"recovery nobody hears":   {firstActions, "      AlarmActions: [!Ref AlarmTopic]\n", "set OKActions"},
		"action that is no topic": {firstActions, "      AlarmActions: [!Ref HealthLogs]\n      OKActions: [!Ref AlarmTopic]\n", "set AlarmActions"},
		"alarm switched off":      {firstActions, "      ActionsEnabled: false\n" + firstActions, "nobody hears of the alarm ApiServerErrors"},
		"alarm without a word":    {"      AlarmDescription: Nothing looks", "      AlarmName: Nothing looks", "HealthStopped needs AlarmDescription"},
		"alarm not described":     {alarm("HealthErrors"), alarm("Extra") + "    Properties: {}\n" + alarm("HealthErrors"), "does not list the alarm Extra"},
		"metric of REST APIs":     {"MetricName: 5xx,", "MetricName: 5XXError,", "AWS/ApiGateway 5XXError is no metric"},
		"metric of nobody":        {"      MetricName: Health\n", "      MetricName: Healthy\n", "Healthy is not in the catalogue"},
		"other dimension":         {"Dimensions: [{Name: FunctionName, Value: !Ref DeliverFunction}]", "Dimensions: [{Name: Function, Value: !Ref DeliverFunction}]", "has the dimension FunctionName"},
		"other name space":        {"      Namespace: !Sub Newsletter/${AWS::StackName}\n", "      Namespace: Newsletter\n", "Newsletter Health is no metric"},
	})
}

func TestDashboardViolationsAreReported(t *testing.T) {
	const latency = `endpoint} MetricName=\"Duration\"', 'p50', 300)`
	seen(t, map[string]change{
		"no dashboard":            {"Type: AWS::CloudWatch::Dashboard", "Type: " + gone, "no dashboard draws Duration"},
		"not JSON":                {`"start": "-PT12H",`, `"start": "-PT12H"`, "DashboardBody is not JSON"},
		"not substituted":         {"DashboardBody: !Sub |", "DashboardBody: !Base64 |", "DashboardBody is not JSON"},
		"unknown member":          {`"start":`, `"begin":`, "unknown field"},
		"metric of nobody":        {`MetricName=\"SignUps\"`, `MetricName=\"Signups\"`, "Signups is not in the catalogue"},
		"metric forgotten":        {`MetricName=\"SignUps\"`, `MetricName=\"Signups\"`, "no dashboard draws SignUps"},
		"dimension forgotten":     {",tier,decision}", ",tier}", "LimiterDecisions has the dimensions [decision tier]"},
		"durations added up":      {latency, strings.Replace(latency, "p50", "Sum", 1), "Duration is a duration: take a percentile"},
		"name space not quoted":   {`{\"Newsletter/${AWS::StackName}\",` + latency, `{Newsletter/${AWS::StackName},` + latency, "no search that is known to work"},
		"gauge without statistic": {`"OutboxReady", {"stat": "Maximum"}`, `"OutboxReady", {"label": "ready"}`, "and a stat"},
		"unknown option":          {`"OutboxReady", {"stat": "Maximum"}`, `"OutboxReady", {"statistic": "Maximum"}`, "does not end with its options"},
		"function forgotten":      {`"Throttles", "FunctionName", "${PrivacyFunction}"`, `"Errors", "FunctionName", "${PrivacyFunction}"`, "draws Throttles of PrivacyFunction"},
		"alarm forgotten":         {`"${HealthStopped.Arn}", `, "", "shows the alarm HealthStopped"},
		"one on another":          {`"x": 8, "y": 4,`, `"x": 7, "y": 4,`, "lie on each other"},
		"too wide":                {`"x": 16, "y": 4, "width": 8`, `"x": 16, "y": 4, "width": 9`, "outside of the dashboard's 24"},
		"other region":            {`"region": "${AWS::Region}"`, `"region": "us-east-1"`, "region ${AWS::Region}"},
	})
}

func TestLogViolationsAreReported(t *testing.T) {
	seen(t, map[string]change{
		"kept for some time":   {"      RetentionInDays: !Ref LogRetentionDays\n", "      RetentionInDays: 3653\n", "needs RetentionInDays: !Ref LogRetentionDays"},
		"query in the log":     {"$context.requestId", "$context.queryString", "take $context.queryString out"},
		"address in the log":   {"$context.requestId", "$context.identity.sourceIp", "take $context.identity.sourceIp out"},
		"unknown in the log":   {"$context.requestId", "$context.authorizer.claims", "take $context.authorizer.claims out"},
		"log that is not JSON": {`"status":"$context.status",`, `"status":$context.status,`, "is not a JSON object"},
		"no access log":        {"DestinationArn: !GetAtt AccessLogs.Arn", "DestinationArn: !Ref AlarmTopic", "has no access log"},
		"no log group":         {"  HealthLogs:\n    Type: AWS::Logs::LogGroup\n", "  HealthLogs:\n    Type: " + gone + "\n", "HealthFunction must log JSON into HealthLogs"},
		"metrics dropped":      {"ApplicationLogLevel: DEBUG", "ApplicationLogLevel: !Ref LogLevel", "would drop the metrics"},
		"traces off":           {"    Tracing: Active\n", "    Tracing: PassThrough\n", "Globals.Function.Tracing must be Active"},
		"metrics elsewhere":    {`METRICS_NAMESPACE: !Sub "Newsletter/${AWS::StackName}"`, "METRICS_NAMESPACE: Newsletter", "Health is no metric that is known to exist"},
	})
}
