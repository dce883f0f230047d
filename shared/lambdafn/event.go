package lambdafn

import (
	"encoding/json"

	"github.com/aws/aws-lambda-go/events"
)

// kind is what an event turned out to be.
type kind int

const (
	malformed kind = iota
	httpEvent
	otherEvent
)

type event struct {
	raw  json.RawMessage
	http events.APIGatewayV2HTTPRequest // if it is one
}

// parse tells an HTTP API event of payload format 2.0, which alone has requestContext.http.method, from all others.
func parse(payload []byte) (event, kind) {
	e := event{raw: payload}
	if !json.Valid(payload) {
		return e, malformed
	}
	var shape struct {
		RequestContext struct {
			HTTP struct {
				Method string `json:"method"`
			} `json:"http"`
		} `json:"requestContext"`
	}
	if json.Unmarshal(payload, &shape) != nil || shape.RequestContext.HTTP.Method == "" {
		return e, otherEvent
	}
	if json.Unmarshal(payload, &e.http) != nil {
		return event{raw: payload}, malformed
	}
	return e, httpEvent
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
