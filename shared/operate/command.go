package operate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// MaxPayload limits the JSON of a request and of a result, in bytes. Lambda limits both at 6 MB ("Lambda quotas",
// synchronous invocations); the rest is for the envelope and for characters that Lambda escapes.
const MaxPayload = 4 << 20

// A Command is one thing that an operator can do: a function from a request to a result, both of which are encoded as
// JSON. Its texts are in the operator's tool, beside its flags.
type Command[Request, Result any] struct {
	name     string
	recorded bool
	run      func(context.Context, *Installation, Request) (Result, error)
}

// read defines a command that leaves no event in the ledger.
func read[Request, Result any](name string, run func(context.Context, *Installation, Request) (Result, error)) Command[Request, Result] {
	return Command[Request, Result]{name, false, run}
}

// record defines a command whose runs are events of the ledger: it changes something, or reads a person's data. A second
// run with the same request changes nothing more.
func record[Request, Result any](name string, run func(context.Context, *Installation, Request) (Result, error)) Command[Request, Result] {
	return Command[Request, Result]{name, true, run}
}

// Name returns the name of the command, as in the tool: "hold release".
func (c Command[Request, Result]) Name() string { return c.name }

// Recorded reports whether the ledger has an event of each run.
func (c Command[Request, Result]) Recorded() bool { return c.recorded }

// Do runs the command on an installation. The error is a *Refusal, or that of the runner.
func (c Command[Request, Result]) Do(ctx context.Context, r Runner, request Request) (result Result, err error) {
	encoded, err := encode(request)
	if err != nil {
		return result, err
	}
	answer, err := r.Run(ctx, Call{c.name, encoded})
	switch {
	case err != nil:
		return result, err
	case answer.Refusal != nil:
		return result, answer.Refusal
	}
	if err := json.Unmarshal(answer.Result, &result); err != nil {
		return result, fmt.Errorf("%s: the result is not that of this version: %w", c.name, err)
	}
	return result, nil
}

// call decodes a request, runs the command and encodes the result. A request with unknown members is refused: it is of
// another version.
func (c Command[Request, Result]) call(ctx context.Context, i *Installation, encoded json.RawMessage) (Answer, error) {
	var request Request
	decoder := json.NewDecoder(bytes.NewReader(encoded))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&request); err != nil {
		return Answer{}, Wrong("%s: the request is not that of this version: %s", c.name, shape(err))
	}
	result, err := c.run(ctx, i, request)
	if err != nil {
		return Answer{}, err
	}
	answer := Answer{}
	if counted, ok := any(result).(interface{ Counts() map[string]int64 }); ok {
		answer.Counts = counted.Counts()
	}
	answer.Result, err = encode(result)
	return answer, err
}

// shape describes an error of a decoder without the value, which may be an address.
func shape(err error) string {
	if mismatch, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Sprintf("unexpected type at %q", mismatch.Field)
	}
	if _, malformed := errors.AsType[*json.SyntaxError](err); malformed {
		return "malformed JSON"
	}
	return "unknown or missing members"
}

// encode encodes a request or a result of at most MaxPayload bytes.
func encode(v any) (json.RawMessage, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v); err != nil {
		return nil, err
	}
	if text.Len() > MaxPayload {
		return nil, Failed("%d MB are too much for one call, whose limit is %d MB", text.Len()>>20, MaxPayload>>20)
	}
	return bytes.TrimSpace(text.Bytes()), nil
}

// Call is the event of the function operate.
type Call struct {
	Command string          `json:"command"`
	Request json.RawMessage `json:"request"`
}

// Answer is the response to a Call: a result or a refusal.
type Answer struct {
	Result  json.RawMessage `json:"result,omitempty"`
	Refusal *Refusal        `json:"refusal,omitempty"`
	// Counts are the numbers of the result, for the log.
	Counts map[string]int64 `json:"-"`
}

// A Runner runs commands: an Installation in this process, or the function operate by an invocation. Its error is of a
// failure whose cause the operator finds in the log.
type Runner interface {
	Run(ctx context.Context, call Call) (Answer, error)
}

// Refusal is an error that the operator can act on. It is a part of the answer, so that neither the log of a function
// nor its error has the text, which may contain an address.
type Refusal struct {
	// WrongUsage is set if the request is wrong, and not set if the command could not do what the request says.
	WrongUsage bool   `json:"wrong_usage"`
	Text       string `json:"text"`
}

// Error implements error.
func (r *Refusal) Error() string { return r.Text }

// Wrong returns the Refusal of a wrong request.
func Wrong(format string, values ...any) error { return &Refusal{true, fmt.Sprintf(format, values...)} }

// Failed returns the Refusal of a request that is not wrong.
func Failed(format string, values ...any) error {
	return &Refusal{false, fmt.Sprintf(format, values...)}
}
