package bundle

import (
	"reflect"
	"time"

	"newsletter/internal/local/samtemplate"
)

// Limits of the queues.
const (
	// queueRetention is SQS's maximum (SQS developer guide, "Message quotas").
	queueRetention = 14 * 24 * time.Hour
	// outage is the time for which a queue must redeliver its messages by itself. What is left of queueRetention is
	// for the owner to redrive dead letters, which SQS deletes two weeks after they first arrived ("Using dead-letter
	// queues").
	outage = 7 * 24 * time.Hour
	// timeouts is the number of timeouts of its function for which a message must be invisible (Lambda developer
	// guide, "Using Lambda with Amazon SQS").
	timeouts = 6
)

// sources returns the event source mappings of a function.
func (s *Stack) sources(id string) []map[string]any {
	var all []map[string]any
	for _, source := range s.ids("AWS::Lambda::EventSourceMapping") {
		if p := s.properties(source); p["FunctionName"] == "<"+id+">" {
			all = append(all, p)
		}
	}
	return all
}

// queueOf returns the queue that invokes a function, or "".
func (s *Stack) queueOf(id string) string {
	for _, source := range s.sources(id) {
		return samtemplate.References(source["EventSourceArn"])[0]
	}
	return ""
}

// deadLettersOf returns the dead-letter queue of a queue.
func (s *Stack) deadLettersOf(queue string) []string {
	return samtemplate.References(mapping(s.properties(queue)["RedrivePolicy"])["deadLetterTargetArn"])
}

// checkQueues checks that the queues that invoke functions lose no message: only failed messages of a batch are
// redelivered, throughout an outage of a week and not while they are processed, and then they are dead letters, until
// SQS deletes them after two weeks.
func (s *Stack) checkQueues() []string {
	var problems problems
	seconds := func(queue, property string) time.Duration {
		return time.Duration(number(s.properties(queue)[property])) * time.Second
	}
	for _, id := range s.functions() {
		for _, source := range s.sources(id) {
			queue := samtemplate.References(source["EventSourceArn"])[0]
			if !reflect.DeepEqual(source["FunctionResponseTypes"], []any{"ReportBatchItemFailures"}) {
				problems.add("template.yaml: the event source of %s needs FunctionResponseTypes: [ReportBatchItemFailures], or %s repeats whole batches", id, queue)
			}
			dead := s.deadLettersOf(queue)
			if len(dead) != 1 {
				problems.add("template.yaml: %s has no dead-letter queue: add a RedrivePolicy", queue)
				continue
			}
			for _, name := range []string{queue, dead[0]} {
				if got := seconds(name, "MessageRetentionPeriod"); got != queueRetention {
					problems.add("template.yaml: %s keeps messages for %v, not two weeks", name, got)
				}
			}
			invisible := seconds(queue, "VisibilityTimeout")
			if need := timeouts * s.timeout(id); invisible < need {
				problems.add("template.yaml: the VisibilityTimeout of %s is %v, less than six timeouts of %s, %v", queue, invisible, id, need)
			}
			redelivered := invisible * time.Duration(number(mapping(s.properties(queue)["RedrivePolicy"])["maxReceiveCount"]))
			if redelivered < outage || redelivered > queueRetention-24*time.Hour {
				problems.add("template.yaml: %s redelivers messages for %v: a message must outlive an outage of a week, and then be a dead letter for a day", queue, redelivered)
			}
		}
	}
	return problems
}
