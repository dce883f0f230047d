package main

// alarm is an alarm on one metric. Period times Periods is a day at most, 7 days if Period is an hour or more (CloudWatch API
// reference, PutMetricAlarm).
type alarm struct {
	ID, DependsOn string
	Comment       string // above it
	Description   string
	Namespace     string
	Metric        string
	Dimension     string
	Statistic     string
	Period        string // seconds
	Periods       string // that are evaluated
	Datapoints    string // of these that must be bad; "" for all
	Threshold     string // above which it is raised
	Silence       bool   // raised below 1 instead, and without data
}

// Namespaces of metrics: those of AWS, and the functions' own (docs/metrics.md).
const (
	lambda = "AWS/Lambda"
	sqs    = "AWS/SQS"
	own    = "!Sub Newsletter/${AWS::StackName}"
)

// Health looks, and writes its metrics, at this interval in seconds.
const healthPeriod = "!If [HealthEachMinute, 60, !If [HealthEach5Minutes, 300, !If [HealthEach15Minutes, 900, 3600]]]"

func ofFunction(id string) string { return "Name: FunctionName, Value: !Ref " + id + "Function" }

func ofQueue(id string) string { return "Name: QueueName, Value: !GetAtt " + id + ".QueueName" }

// alarms are those that are not on throttles, which each function has.
var alarms = []alarm{
	{
		Comment: "The dead man's switch: each look of health writes its metric, unless nobody could be told of what it finds.",
		ID:      "HealthStopped", DependsOn: "HealthFunction",
		Description: "Nothing looks at the system's health any more, so no other alert can be trusted to come.",
		Namespace:   own, Metric: "Health", Statistic: "SampleCount", Silence: true,
		Period: healthPeriod, Periods: "!If [HealthEachMinute, 5, 3]",
	},
	{
		Comment: "One run that fails is made good by the next one.",
		ID:      "HealthErrors", Description: "Looks at the system's health crash or run out of time.",
		Namespace: lambda, Metric: "Errors", Dimension: ofFunction("Health"), Statistic: "Sum",
		Period: healthPeriod, Periods: "!If [HealthEachMinute, 5, 3]", Datapoints: "!If [HealthEachMinute, 3, 2]", Threshold: "0",
	},
	{
		Comment: "health tells of mail that waits too, but by mail and chat, which deliver sends.",
		ID:      "DeliverStopped", Description: "Nothing starts deliver any more, so no mail, no message and no alert leaves.",
		Namespace: lambda, Metric: "Invocations", Dimension: ofFunction("Deliver"), Statistic: "Sum", Silence: true,
		Period: "60", Periods: "5",
	},
	{
		Comment: "A little more than the day between two runs.",
		ID:      "MaintainStopped", Description: "Nothing starts maintain any more, so nothing is deleted when its time has come.",
		Namespace: lambda, Metric: "Invocations", Dimension: ofFunction("Maintain"), Statistic: "Sum", Silence: true,
		Period: "3600", Periods: "26",
	},
	{
		ID: "DeliverErrors", Description: "Runs of deliver crash, run out of time or cannot reach the database; mail waits.",
		Namespace: lambda, Metric: "Errors", Dimension: ofFunction("Deliver"), Statistic: "Sum",
		Period: "60", Periods: "5", Datapoints: "3", Threshold: "0",
	},
	{
		Comment: "health sees it, but what it tells leaves by the very outbox that stands.",
		ID:      "OutboxStalled", Description: "Nothing has taken what is due from the outbox for half an hour, be it mails or alerts.",
		Namespace: own, Metric: "OutboxAge", Statistic: "Maximum",
		Period: healthPeriod, Periods: "1", Threshold: "1800",
	},
	{
		Comment: "It runs once a day: the alarm stands until a day has passed without an error.",
		ID:      "MaintainErrors", Description: "The daily run of maintain failed; what is too old is kept longer, and the ledger is not sealed.",
		Namespace: lambda, Metric: "Errors", Dimension: ofFunction("Maintain"), Statistic: "Sum",
		Period: "3600", Periods: "24", Datapoints: "1", Threshold: "0",
	},
	{
		Comment: "Lambda tries an event three times, then drops it.",
		ID:      "EngagementDropped", Description: "News of a bounce or complaint are lost after three attempts; the address may be mailed again.",
		Namespace: lambda, Metric: "AsyncEventsDropped", Dimension: ofFunction("Engagement"), Statistic: "Sum",
		Period: "300", Periods: "1", Threshold: "0",
	},
	{
		ID:          "UnsubscribeDeadLettersAlarm",
		Description: "Unsubscriptions could not be applied in a thousand attempts and are deleted after two weeks; apply them by hand.",
		Namespace:   sqs, Metric: "ApproximateNumberOfMessagesVisible", Dimension: ofQueue("UnsubscribeDeadLetters"), Statistic: "Maximum",
		Period: "60", Periods: "1", Threshold: "0",
	},
	{
		ID: "UnsubscribeQueueAlarm", Description: "Unsubscriptions that the database could not take have been waiting for an hour.",
		Namespace: sqs, Metric: "ApproximateAgeOfOldestMessage", Dimension: ofQueue("UnsubscribeQueue"), Statistic: "Maximum",
		Period: "60", Periods: "5", Threshold: "3600",
	},
}

// throttles is the alarm on a function that AWS refuses to run.
func throttles(f function) alarm {
	return alarm{
		ID: f.ID() + "Throttles", Description: f.Throttled, Namespace: lambda, Metric: "Throttles",
		Dimension: ofFunction(f.ID()), Statistic: "Sum", Period: "300", Periods: "1", Threshold: "0",
	}
}
