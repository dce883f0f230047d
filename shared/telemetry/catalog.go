package telemetry

import "slices"

// Unit is CloudWatch's unit of a metric.
type Unit string

// The units in use.
const (
	Count        Unit = "Count"
	Milliseconds Unit = "Milliseconds"
	Seconds      Unit = "Seconds"
	None         Unit = "None"
)

// Metric is a metric of this system. CloudWatch charges for each combination of dimension values, so these are few.
type Metric struct {
	Name        string
	Unit        Unit
	Dimensions  []string // names of members of the log line
	Description string   // for docs/metrics.md
}

// callerDimensions returns the number of dimension values that the caller of Add supplies.
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
	ServerErrors = &Metric{"ServerErrors", Count, []string{"endpoint"}, "Responses with a status of 500 or above"}
	ColdStarts   = &Metric{"ColdStarts", Count, []string{"function_name"}, "Invocations that were the first of their environment"}
	InitDuration = &Metric{"InitDuration", Milliseconds, []string{"function_name"},
		"Time from the start of an environment's process until it was ready for events"}
	SignUps = &Metric{"SignUps", Count, []string{"outcome"},
		"Sign-ups by outcome: the decision of the state machine, or the reason of a refusal"}
	CleanedRequests = &Metric{"CleanedRequests", Count, nil,
		"Sign-ups and requests for a link of the last day with fields that were cleaned, because a page sent what nothing can use"}
	LimiterDecisions = &Metric{"LimiterDecisions", Count, []string{"backend", "decision"},
		"Decisions of the rate limiter by backend: `redis`, `memory` (a refusal that the process remembers), or `local` (without Redis)"}
	PoolAcquire = &Metric{"PoolAcquire", Milliseconds, []string{"function_name"},
		"Wait for a PostgreSQL connection, including opening a new one if needed"}
	PoolDial       = &Metric{"PoolDial", Milliseconds, []string{"function_name"}, "Time to open a PostgreSQL connection: TCP, TLS and login"}
	RedisRoundTrip = &Metric{"RedisRoundTrip", Milliseconds, []string{"function_name"}, "Time of a rate limiter call to Redis"}
	SecurityEvents = &Metric{"SecurityEvents", Count, []string{"reason"},
		"Denials, invalid links and actions of the operator, by [reason](security.md#security-events)"}
	ReportingTime = &Metric{"ReportingTime", Milliseconds, []string{"function_name"}, "Time that sending error reports added to the invocation"}
	StatsDropped  = &Metric{"StatisticsDropped", Count, []string{"function_name"},
		"Requests missing from the request statistics because Redis was unavailable or slow"}
	Deliveries = &Metric{"Deliveries", Count, []string{"destination", "outcome"},
		"Delivery attempts: `delivered`, `later` (will be retried), `dead` (dead-lettered) or `dropped` (no longer wanted)"}
	FeedbackUnreadable = &Metric{"FeedbackUnreadable", Count, nil, "SES events that could not be parsed, or whose recipient is unknown"}
	OutboxReady        = &Metric{"OutboxReady", Count, nil, "Outbox messages that are ready for delivery"}
	OutboxHeld         = &Metric{"OutboxHeld", Count, nil, "Outbox messages that wait for the owner's decision"}
	OutboxDeadLetters  = &Metric{"OutboxDeadLetters", Count, nil, "Outbox messages that are dead-lettered"}
	OutboxAge          = &Metric{"OutboxAge", Seconds, nil, "Age of the oldest due message that was never attempted. Growth means that `deliver` does not run"}
	Health             = &Metric{"Health", None, nil,
		"Overall health at each check: 0 pass, 1 warn, 2 fail. No value means that no check runs or the owner cannot be notified; an alarm reports that"}
	AlertsFiring = &Metric{"AlertsFiring", Count, nil, "Alerts that are firing"}
	AlertsFired  = &Metric{"AlertsFired", Count, []string{"rule"}, "Alerts that started to fire"}
)

// Catalog lists all metrics.
var Catalog = []*Metric{
	Duration, ServerErrors, ColdStarts, InitDuration, SignUps, CleanedRequests, LimiterDecisions, PoolAcquire, PoolDial, RedisRoundTrip, SecurityEvents,
	ReportingTime, StatsDropped, Deliveries, FeedbackUnreadable, OutboxReady, OutboxHeld, OutboxDeadLetters, OutboxAge, Health,
	AlertsFiring, AlertsFired,
}
