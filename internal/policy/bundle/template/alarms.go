package main

// An alarm watches one metric, of one resource or of several together: at most ten, and there are at most twelve alarms
// (docs/adr/0039). Period times Periods is at most a day, or 7 days if Period is an hour or more (CloudWatch API
// reference, PutMetricAlarm).
type alarm struct {
	ID, DependsOn string
	Comment       string // above it
	Description   string
	Namespace     string
	Metric        string
	Dimensions    []string // of each resource
	Combine       string   // SUM or MAX over the resources; "" for one
	Statistic     string
	Period        string // seconds
	Periods       string // evaluated periods
	Datapoints    string // breaching periods that fire the alarm; "" for all
	Threshold     string // the alarm fires above it
	Stopped       bool   // fires below 1 instead, and without data
}

// Namespaces of AWS's metrics and of the functions' own (docs/metrics.md).
const (
	lambda = "AWS/Lambda"
	sqs    = "AWS/SQS"
	own    = "!Sub Newsletter/${AWS::StackName}"
)

// healthPeriod is the interval in seconds at which health runs and writes its metrics.
const healthPeriod = "!If [HealthEachMinute, 60, !If [HealthEach5Minutes, 300, !If [HealthEach15Minutes, 900, 3600]]]"

func ofFunction(id string) string { return "Name: FunctionName, Value: !Ref " + id + "Function" }

func ofQueue(id string) string { return "Name: QueueName, Value: !GetAtt " + id + ".QueueName" }

// alarms lists all alarms except those on throttles, which each function has.
var alarms = []alarm{
	{
		Comment: "Dead man's switch: each run of health writes its metric, unless it could not notify the owner of its findings.",
		ID:      "HealthStopped", DependsOn: "HealthFunction",
		Description: "health is not running, so other alerts may be missing.",
		Namespace:   own, Metric: "Health", Statistic: "SampleCount", Stopped: true,
		Period: healthPeriod, Periods: "!If [HealthEachMinute, 5, 3]",
	},
	{
		Comment: "A single failed run does not matter: the next run checks everything again.",
		ID:      "HealthErrors", Description: "Runs of health crash or time out.",
		Namespace: lambda, Metric: "Errors", Dimensions: []string{ofFunction("Health")}, Statistic: "Sum",
		Period: healthPeriod, Periods: "!If [HealthEachMinute, 5, 3]", Datapoints: "!If [HealthEachMinute, 3, 2]", Threshold: "0",
	},
	{
		Comment: "health alerts on waiting email too, but deliver sends its alerts.",
		ID:      "DeliverStopped", Description: "deliver is not being invoked, so no email, notification or alert is sent.",
		Namespace: lambda, Metric: "Invocations", Dimensions: []string{ofFunction("Deliver")}, Statistic: "Sum", Stopped: true,
		Period: "60", Periods: "5",
	},
	{
		Comment: "health alerts on late seals too, three hours after an event.",
		ID:      "MaintainStopped", Description: "maintain is not being invoked, so the ledger is not sealed, and data are kept beyond their retention periods.",
		Namespace: lambda, Metric: "Invocations", Dimensions: []string{ofFunction("Maintain")}, Statistic: "Sum", Stopped: true,
		Period: "3600", Periods: "3",
	},
	{
		ID: "DeliverErrors", Description: "Runs of deliver crash, time out or cannot reach the database; email is waiting.",
		Namespace: lambda, Metric: "Errors", Dimensions: []string{ofFunction("Deliver")}, Statistic: "Sum",
		Period: "60", Periods: "5", Datapoints: "3", Threshold: "0",
	},
	{
		Comment: "health detects this too, but its alerts go through the same outbox.",
		ID:      "OutboxStalled", Description: "A message in the outbox has been due for half an hour without an attempt to deliver it.",
		Namespace: own, Metric: "OutboxAge", Statistic: "Maximum",
		Period: healthPeriod, Periods: "1", Threshold: "1800",
	},
	{
		Comment: "Some of its work is done once a day: the alarm fires until a day has passed without an error.",
		ID:      "MaintainErrors", Description: "A run of maintain failed, so the ledger may differ from its seals or not be sealed, or expired data are kept longer.",
		Namespace: lambda, Metric: "Errors", Dimensions: []string{ofFunction("Maintain")}, Statistic: "Sum",
		Period: "3600", Periods: "24", Datapoints: "1", Threshold: "0",
	},
	{
		Comment: "Before SQS deletes them: dead letters are kept for the rest of the two weeks.",
		ID:      "QueueDeadLetters", Description: "Unsubscriptions, bounces or complaints could not be applied for ten days and will be deleted within four; redrive them.",
		Namespace: sqs, Metric: "ApproximateNumberOfMessagesVisible", Combine: "MAX", Statistic: "Maximum",
		Dimensions: []string{ofQueue("UnsubscribeDeadLetters"), ofQueue("EmailEventsDeadLetters")},
		Period:     "60", Periods: "1", Threshold: "0",
	},
	{
		Comment: `SQS does not report the age of messages that were received three times, half an hour after they arrived (SQS
  # developer guide, "Available CloudWatch metrics").`,
		ID: "QueueAge", Description: "Unsubscriptions, bounces or complaints have been waiting for the database for twenty minutes.",
		Namespace: sqs, Metric: "ApproximateAgeOfOldestMessage", Combine: "MAX", Statistic: "Maximum",
		Dimensions: []string{ofQueue("UnsubscribeQueue"), ofQueue("EmailEventsQueue")},
		Period:     "60", Periods: "5", Threshold: "1200",
	},
}

// throttles returns the alarms on throttled invocations: of functions with a route, and of the others.
func throttles(all []function) []alarm {
	visitors := alarm{ID: "VisitorThrottles", Description: "Requests of visitors were throttled, and got an error."}
	others := alarm{ID: "BackgroundThrottles", Description: "Invocations without a waiting visitor were throttled; the next ones make up for them."}
	for _, a := range []*alarm{&visitors, &others} {
		a.Namespace, a.Metric, a.Combine, a.Statistic, a.Period, a.Periods, a.Threshold = lambda, "Throttles", "SUM", "Sum", "300", "1", "0"
	}
	for _, f := range all {
		a := &others
		if len(f.routes) > 0 {
			a = &visitors
		}
		a.Dimensions = append(a.Dimensions, ofFunction(f.ID()))
	}
	return []alarm{visitors, others}
}
