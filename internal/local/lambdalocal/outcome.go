package lambdalocal

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Outcome is the outcome of a call, read from its result.
type Outcome struct {
	// Status is that of an HTTP answer; 0 for any other result.
	Status int
	// Failure is why the call failed, in the function's own words. It is empty for an HTTP answer, whose Status says
	// it.
	Failure string
}

var errNoJSON = errors.New("the result is not JSON")

// Outcome parses a result: an error, an HTTP answer, a response to CloudFormation or SQS, a report that is not ok or a
// health status of "fail". Any other result is a success.
func (r Result) Outcome() (Outcome, error) {
	var shape struct {
		StatusCode        int               `json:"statusCode"`
		ErrorMessage      string            `json:"errorMessage"`
		ErrorType         string            `json:"errorType"`
		OK                *bool             `json:"ok"`
		Problems          []string          `json:"problems"`
		Health            string            `json:"status"`
		Response          string            `json:"Status"` // the response to CloudFormation
		Reason            string            `json:"Reason"`
		BatchItemFailures []json.RawMessage `json:"batchItemFailures"`
	}
	payload := bytes.TrimSpace(r.Payload)
	if !json.Valid(payload) {
		return Outcome{}, fmt.Errorf("%w: %.200q", errNoJSON, payload)
	}
	_ = json.Unmarshal(payload, &shape) // a result that is no object has none of these
	switch {
	case r.FunctionError != "" || shape.ErrorType != "" || shape.ErrorMessage != "":
		return Outcome{Failure: "error: " + cmp.Or(shape.ErrorMessage, shape.ErrorType, r.FunctionError)}, nil
	case shape.StatusCode != 0:
		return Outcome{Status: shape.StatusCode}, nil
	case shape.Response == "FAILED":
		return Outcome{Failure: "response to CloudFormation: FAILED: " + shape.Reason}, nil
	case shape.OK != nil && !*shape.OK:
		return Outcome{Failure: "not ok: " + strings.Join(shape.Problems, "; ")}, nil
	case shape.Health == "fail":
		return Outcome{Failure: `the status is "fail"`}, nil
	case len(shape.BatchItemFailures) > 0:
		return Outcome{Failure: fmt.Sprintf("%d messages of the batch failed", len(shape.BatchItemFailures))}, nil
	}
	return Outcome{}, nil
}
