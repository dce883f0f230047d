package lambdafn

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-lambda-go/events"
)

// parsed is an event and what it turned out to be.
type parsed struct {
	raw  json.RawMessage
	http *events.APIGatewayV2HTTPRequest // nil: another event
}

var errNotJSON = errors.New("the event is not valid JSON")

// parse tells HTTP API events from all others.
func parse(payload []byte) (parsed, error) {
	if !json.Valid(payload) {
		return parsed{}, errNotJSON
	}
	if !isHTTP(payload) {
		return parsed{raw: payload}, nil
	}
	event := &events.APIGatewayV2HTTPRequest{}
	err := json.Unmarshal(payload, event)
	if mismatch, ok := errors.AsType[*json.UnmarshalTypeError](err); ok { // its text may quote a value
		return parsed{}, fmt.Errorf("the HTTP API event has an unexpected type at %q", mismatch.Field)
	}
	if err != nil {
		return parsed{}, errors.New("the HTTP API event cannot be read")
	}
	return parsed{raw: payload, http: event}, nil
}

// isHTTP says whether a JSON text is an HTTP API event of payload format 2.0, which alone has requestContext.http.method.
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

// IsScheduled says whether an event is a tick of a schedule: the envelope of an EventBridge rule, or the input
// {"scheduled": true} of an EventBridge Scheduler, which sends its input without an envelope.
func IsScheduled(event json.RawMessage) bool {
	var shape struct {
		DetailType string `json:"detail-type"`
		Scheduled  bool   `json:"scheduled"`
	}
	return json.Unmarshal(event, &shape) == nil && (shape.Scheduled || shape.DetailType == "Scheduled Event")
}

// IsScheduleInput says whether an event asks a function to do what its schedule makes it do: a tick of the schedule, or the empty
// object (or null) of a direct invocation.
func IsScheduleInput(event json.RawMessage) bool {
	var members map[string]json.RawMessage
	return IsScheduled(event) || json.Unmarshal(event, &members) == nil && len(members) == 0
}
