package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"

	"newsletter/shared/capture"
	"newsletter/shared/lambdafn"
	"newsletter/shared/operate"
	"newsletter/shared/telemetry"
)

type handler struct {
	installation *operate.Installation
}

// errNotACall describes the expected event to the caller of a direct invocation.
var errNotACall = errors.New(`the event must be {"command": "…", "request": {…}}, as the operator's tool sends it`)

// event runs one command. The log has its name, its outcome and numbers, and nothing of the request or the result.
func (h handler) event(ctx context.Context, event json.RawMessage) (any, error) {
	var call operate.Call
	decoder := json.NewDecoder(bytes.NewReader(event))
	decoder.DisallowUnknownFields()
	if decoder.Decode(&call) != nil || call.Command == "" || decoder.More() {
		return nil, errNotACall
	}
	name, recorded := operate.Known(call.Command)
	if recorded {
		telemetry.SecurityEvent(ctx, "operator_action")
	}
	answer, err := h.installation.Run(ctx, call)
	outcome := "done"
	switch {
	case err != nil:
		outcome = "failed"
		capture.Error(ctx, err)
	case answer.Refusal != nil:
		outcome = "refused"
	}
	lambdafn.Note(ctx, slog.String("command", name), slog.String("outcome", outcome))
	for count, n := range answer.Counts {
		lambdafn.Note(ctx, slog.Int64("count_"+count, n))
	}
	return answer, err
}
