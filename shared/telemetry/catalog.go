package telemetry

import "slices"

// Unit is CloudWatch's unit of a metric.
type Unit string

// The units that are used.
const (
	Count        Unit = "Count"
	Milliseconds Unit = "Milliseconds"
	Seconds      Unit = "Seconds"
	None         Unit = "None"
)

// Metric is a metric that this system writes. Each combination of its dimensions' values is a metric that CloudWatch
// charges for, so these are few.
type Metric struct {
	Name        string
	Unit        Unit
	Dimensions  []string // names of members of the log line
	Description string   // for docs/metrics.md
}

// open is how many dimensions' values whoever adds a figure gives.
func (m *Metric) callerDimensions() int {
	if slices.Contains(m.Dimensions, functionName) {
		return len(m.Dimensions) - 1
	}
	return len(m.Dimensions)
}

// The metrics.
var (
	Duration = &Metric{"Duration", Milliseconds, []string{"endpoint"},
		"Time of a request in a warm environment. An endpoint is a function and a method, such as `subscribe POST`"}
	ServerErrors = &Metric{"ServerErrors", Count, []string{"endpoint"}, "Answers of 500 and above"}
	ColdStarts   = &Metric{"ColdStarts", Count, []string{"function_name"}, "Invocations that were the first of their environment"}
	InitDuration = &Metric{"InitDuration", Milliseconds, []string{"function_name"}, "From the start of an environment's process until it could take events"}
	SignUps      = &Metric{"SignUps", Count, []string{"outcome"},
		"Sign-ups by what came of them: what the state machine decided, or why they were refused"}
	LimiterDecisions = &Metric{"LimiterDecisions", Count, []string{"backend", "decision"},
		"Decisions of the rate limiter by who took them (`redis`, `memory`, `local`: without Redis)"}
	PoolAcquire    = &Metric{"PoolAcquire", Milliseconds, []string{"function_name"}, "Wait for a connection to PostgreSQL, with the dial where one was needed"}
	PoolDial       = &Metric{"PoolDial", Milliseconds, []string{"function_name"}, "Opening a connection to PostgreSQL: TCP, TLS and sign-in"}
	RedisRoundTrip = &Metric{"RedisRoundTrip", Milliseconds, []string{"function_name"}, "A limiter decision in Redis, as the function sees it"}
	SecurityEvents = &Metric{"SecurityEvents", Count, []string{"reason"}, "Denials, links that open nothing and acts of the operator, by [reason](security.md#security-events)"}
	ReportingTime  = &Metric{"ReportingTime", Milliseconds, []string{"function_name"}, "What reports of errors cost the invocation"}
	StatsDropped   = &Metric{"StatisticsDropped", Count, []string{"function_name"}, "Requests that are missing in the request statistics, because Redis was lost or slow"}
	Deliveries     = &Metric{"Deliveries", Count, []string{"destination", "outcome"},
		"Attempts of deliver: `delivered`, `later` (it will be tried again), `dead` (given up) or `dropped` (not wanted any more)"}
	FeedbackUnreadable = &Metric{"FeedbackUnreadable", Count, nil, "Events of SES that could not be read, or are about nobody known"}
	OutboxReady        = &Metric{"OutboxReady", Count, nil, "Rows of the outbox that wait to be delivered"}
	OutboxHeld         = &Metric{"OutboxHeld", Count, nil, "Rows of the outbox that wait for the owner"}
	OutboxDeadLetters  = &Metric{"OutboxDeadLetters", Count, nil, "Rows of the outbox that were given up"}
	OutboxAge          = &Metric{"OutboxAge", Seconds, nil, "How long the longest waiting row has been waiting that was not tried in vain: a sign that nothing delivers"}
	Health             = &Metric{"Health", None, nil, "The state of the whole at each ping: 0 pass, 1 warn, 2 fail. No value at all: nothing looks, or the owner cannot be told of trouble, and an alarm says so"}
	AlertsFiring       = &Metric{"AlertsFiring", Count, nil, "Alerts that are open"}
	AlertsFired        = &Metric{"AlertsFired", Count, []string{"rule"}, "Alerts that were opened"}
)

// Catalog is every metric.
var Catalog = []*Metric{
	Duration, ServerErrors, ColdStarts, InitDuration, SignUps, LimiterDecisions, PoolAcquire, PoolDial, RedisRoundTrip, SecurityEvents, ReportingTime,
	StatsDropped, Deliveries, FeedbackUnreadable, OutboxReady, OutboxHeld, OutboxDeadLetters, OutboxAge, Health, AlertsFiring, AlertsFired,
}
