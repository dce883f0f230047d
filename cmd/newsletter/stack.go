package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"newsletter/shared/operate"
)

// stackRunner runs commands by the function operate of a stack.
type stackRunner struct{ *functions }

// Run implements operate.Runner. A repeated call changes nothing more, so that the AWS SDK may retry it.
func (s stackRunner) Run(ctx context.Context, call operate.Call) (answer operate.Answer, err error) {
	var event bytes.Buffer
	encoder := json.NewEncoder(&event)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(call); err != nil {
		return answer, err
	}
	payload, err := s.invoke(ctx, "operate", bytes.TrimSpace(event.Bytes()))
	if err != nil {
		return answer, fmt.Errorf("%s: %w; what it did is kept, so run it again", call.Command, err)
	}
	if json.Unmarshal(payload, &answer) != nil || answer.Result == nil && answer.Refusal == nil {
		return answer, errors.New("not a response of the function operate; check --stack")
	}
	return answer, nil
}
