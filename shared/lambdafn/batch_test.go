package lambdafn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
)

// TestApplyBatch checks which messages are tried, and which are returned as failed.
func TestApplyBatch(t *testing.T) {
	t.Parallel()
	lost, other := errors.New("lost"), errors.New("other")
	for name, c := range map[string]struct {
		errs          map[string]error
		tried, failed string
	}{
		"none fails":        {nil, "abc", ""},
		"one fails":         {map[string]error{"b": other}, "abc", "b"},
		"lost at the first": {map[string]error{"a": fmt.Errorf("apply: %w", lost)}, "a", "abc"},
		"lost in between":   {map[string]error{"b": lost}, "ab", "bc"},
	} {
		event, err := json.Marshal(events.SQSEvent{Records: []events.SQSMessage{
			{MessageId: "a", EventSource: "aws:sqs"}, {MessageId: "b", EventSource: "aws:sqs"}, {MessageId: "c", EventSource: "aws:sqs"},
		}})
		if err != nil {
			t.Fatal(err)
		}
		var tried []string
		response, err := ApplyBatch(t.Context(), event, lost, func(_ context.Context, m events.SQSMessage) error {
			tried = append(tried, m.MessageId)
			return c.errs[m.MessageId]
		})
		var failed []string
		for _, failure := range response.BatchItemFailures {
			failed = append(failed, failure.ItemIdentifier)
		}
		if got := strings.Join(tried, ""); err != nil || got != c.tried || strings.Join(failed, "") != c.failed {
			t.Errorf("%s: tried %s, failed %v, %v; want %s and %s", name, got, failed, err, c.tried, c.failed)
		}
	}
	// Lambda takes an answer without the list for a failure of the whole batch.
	event := json.RawMessage(`{"Records":[{"messageId":"a","eventSource":"aws:sqs"}]}`)
	response, err := ApplyBatch(t.Context(), event, lost, func(context.Context, events.SQSMessage) error { return nil })
	if text, _ := json.Marshal(response); err != nil || string(text) != `{"batchItemFailures":[]}` {
		t.Errorf("%s %v", text, err)
	}
	for _, event := range []string{`{}`, `{"Records":[]}`, `[]`, `{"Records":[{"EventSource":"aws:sns","Sns":{"Message":"x"}}]}`, `{"Records":[{"body":"x"}]}`} {
		if _, err := ApplyBatch(t.Context(), json.RawMessage(event), lost, nil); !errors.Is(err, errNoBatch) {
			t.Errorf("%s: %v", event, err)
		}
	}
}
