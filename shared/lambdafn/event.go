package lambdafn

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-lambda-go/events"
)

// parsed is an event with its recognized kind.
type parsed struct {
	raw  json.RawMessage
	http *events.APIGatewayV2HTTPRequest // nil for any other event
}

var errNotJSON = errors.New("parse event: invalid JSON")

// parse distinguishes HTTP API events from all others.
func parse(payload []byte) (parsed, error) {
	if !json.Valid(payload) {
		return parsed{}, errNotJSON
	}
	if !isHTTP(payload) {
		return parsed{raw: payload}, nil
	}
	event := &events.APIGatewayV2HTTPRequest{}
	err := json.Unmarshal(payload, event)
	if mismatch, ok := errors.AsType[*json.UnmarshalTypeError](err); ok { // its text can quote a value
		return parsed{}, fmt.Errorf("parse HTTP API event: unexpected type at %q", mismatch.Field)
	}
	if err != nil {
		return parsed{}, errors.New("parse HTTP API event: malformed event")
	}
	return parsed{raw: payload, http: event}, nil
}

// isHTTP reports whether a payload is an HTTP API event of format 2.0. Only those have requestContext.http.method.
func isHTTP(payload []byte) bool {
	var shape struct {
		RequestContext struct {
			HTTP struct {
				Method string `json:"method"`
			} `json:"http"`
		} `json:"requestContext"`
	}
	return json.Unmarshal(payload, &shape) == nil && shape.RequestContext.HTTP.Method != ""
}

// isScheduled reports whether an event comes from a schedule: the envelope of an EventBridge rule, or the input
// {"scheduled": true} of an EventBridge Scheduler, which sends its input without an envelope.
func isScheduled(event json.RawMessage) bool {
	var shape struct {
		DetailType string `json:"detail-type"`
		Scheduled  bool   `json:"scheduled"`
	}
	return json.Unmarshal(event, &shape) == nil && (shape.Scheduled || shape.DetailType == "Scheduled Event")
}

// IsScheduleInput reports whether an event starts a function's scheduled work: an event of the schedule, or the empty
// object (or null) of a direct invocation.
func IsScheduleInput(event json.RawMessage) bool {
	var members map[string]json.RawMessage
	return isScheduled(event) || json.Unmarshal(event, &members) == nil && len(members) == 0
}
