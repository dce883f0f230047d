package main

import (
	"encoding/json"
	"strings"
	"testing"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/shared/operate"
)

// TestSampleEvents answers every sample event.
func TestSampleEvents(t *testing.T) {
	b := functiontest.New(t)
	function := b.Open(open)
	want := map[string]string{
		"hold-list":       `{"rows":[],"more":false}`,
		"suppression-add": `{"outcome":"suppressed"}`,
		"unknown-command": "the installation does not know this command: deploy the release of the tool",
		"scheduled":       errNotACall.Error(),
	}
	names := functiontest.SampleNames(t, "operate")
	if len(names) != len(want) {
		t.Errorf("samples %v", names)
	}
	for _, name := range names {
		result, err := function.Event(t.Context(), functiontest.Sample(t, "operate", name))
		answer, _ := result.(operate.Answer) // none with an error
		got := string(answer.Result)
		switch {
		case err != nil:
			got = err.Error()
		case answer.Refusal != nil && answer.Refusal.WrongUsage:
			got = answer.Refusal.Text
		}
		if got != want[name] {
			t.Errorf("%s: %s, want %s", name, got, want[name])
		}
	}
	b.ExpectState("", "suppressed:suppressed", "change")
}

// TestOtherEventsAreRefused checks that only the tool's calls are run, and that the error does not repeat the event.
func TestOtherEventsAreRefused(t *testing.T) {
	b := functiontest.New(t)
	function, before := b.Open(open), b.CountRows()
	for name, event := range map[string]string{
		"empty":         `{}`,
		"null":          `null`,
		"no object":     `"suppression add"`,
		"array":         `[{"command":"suppression add","request":{"email":"jane@example.org"}}]`,
		"no command":    `{"request":{"email":"jane@example.org"}}`,
		"a schedule":    `{"detail-type":"Scheduled Event","detail":{}}`,
		"a queue":       `{"Records":[{"eventSource":"aws:sqs","body":"{\"command\":\"suppression add\",\"request\":{\"email\":\"jane@example.org\"}}"}]}`,
		"a request":     `{"version":"2.0","rawPath":"/","requestContext":{"http":{"method":"POST"}},"command":"suppression add"}`,
		"more members":  `{"command":"suppression add","request":{"email":"jane@example.org"},"jane@example.org":1}`,
		"a wrong type":  `{"command":["jane@example.org"]}`,
		"a migration":   `{"command":"up"}`,
		"no request":    `{"command":"suppression add"}`,
		"an old format": `{"command":"suppression add","request":{"address":"jane@example.org"}}`,
	} {
		result, err := function.Event(t.Context(), json.RawMessage(event))
		answer, _ := result.(operate.Answer) // none with an error
		if err == nil && (answer.Refusal == nil || !answer.Refusal.WrongUsage || answer.Result != nil) {
			t.Errorf("%s: %+v", name, answer)
		}
		if err != nil && err.Error() != errNotACall.Error() || answer.Refusal != nil && strings.Contains(answer.Refusal.Text, "jane") {
			t.Errorf("%s: %v %+v", name, err, answer.Refusal)
		}
	}
	b.ExpectRows(before)
}
