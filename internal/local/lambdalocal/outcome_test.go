package lambdalocal

import (
	"errors"
	"strings"
	"testing"
)

func TestOutcome(t *testing.T) {
	for payload, want := range map[string]Outcome{
		`{"statusCode":202,"body":"{\"ok\":false}"}`:             {Status: 202},
		`{"statusCode":503}`:                                     {Status: 503},
		`{"errorMessage":"x","errorType":"errorString"}`:         {Failure: "error: x"},
		`{"Status":"FAILED","Reason":"x"}`:                       {Failure: "response to CloudFormation: FAILED: x"},
		`{"Status":"SUCCESS"}`:                                   {},
		`{"command":"validate","ok":false,"problems":["a","b"]}`: {Failure: "not ok: a; b"},
		`{"command":"validate","ok":true}`:                       {},
		`{"status":"fail","checks":{}}`:                          {Failure: `the status is "fail"`},
		`{"status":"warn","checks":{}}`:                          {},
		`{"batchItemFailures":[{"itemIdentifier":"1"}]}`:         {Failure: "1 messages of the batch failed"},
		`{"batchItemFailures":[]}`:                               {},
		`{"outcomes":{"dead":1}}` + "\n":                         {},
		`null`:                                                   {},
		`"text"`:                                                 {},
	} {
		if got, err := (Result{Payload: []byte(payload)}).Outcome(); err != nil || got != want {
			t.Errorf("%s: %+v %v, want %+v", payload, got, err, want)
		}
	}
	if got, err := (Result{Payload: []byte(`{}`), FunctionError: "Unhandled"}).Outcome(); err != nil || !strings.Contains(got.Failure, "Unhandled") {
		t.Errorf("a function error: %+v %v", got, err)
	}
	for _, payload := range []string{"", "exit status 1"} {
		if got, err := (Result{Payload: []byte(payload)}).Outcome(); !errors.Is(err, errNoJSON) {
			t.Errorf("%q: %+v %v", payload, got, err)
		}
	}
}
