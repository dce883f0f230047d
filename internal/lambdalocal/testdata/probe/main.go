// Command probe is a function that does what the event tells it to: the tests' stand-in for every way to behave.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type order struct {
	Do      string `json:"do"`
	Ms      int    `json:"ms"`
	Bytes   int    `json:"bytes"`
	RawPath string `json:"rawPath"`
}

func main() {
	switch os.Getenv("PROBE_INIT") {
	case "exit":
		fmt.Fprintln(os.Stderr, "cannot start")
		os.Exit(3)
	}
	fmt.Println("started")
	calls := 0
	lambda.StartWithOptions(func(ctx context.Context, event json.RawMessage) (any, error) {
		calls++
		var o order
		if err := json.Unmarshal(event, &o); err != nil {
			return nil, err
		}
		if o.RawPath != "" { // an HTTP event tells by its path
			o.Do = strings.TrimPrefix(o.RawPath, "/")
		}
		switch o.Do {
		case "error":
			return nil, errors.New("no luck")
		case "panic":
			panic("on purpose")
		case "exit":
			os.Exit(4)
		case "sleep":
			time.Sleep(time.Duration(o.Ms) * time.Millisecond)
		case "hang":
			select {}
		case "big":
			return strings.Repeat("x", o.Bytes), nil
		case "bad-answer":
			return map[string]any{"statusCode": 7}, nil
		case "inferred":
			return map[string]any{"hello": "world"}, nil
		case "cookies":
			return map[string]any{"statusCode": 201, "headers": map[string]string{"X-One": "1"}, "cookies": []string{"a=1", "b=2"},
				"body": "aGk=", "isBase64Encoded": true}, nil
		case "http":
			return map[string]any{"statusCode": 200, "body": string(event), "headers": map[string]string{"Content-Type": "application/json"}}, nil
		}
		lc, _ := lambdacontext.FromContext(ctx)
		deadline, _ := ctx.Deadline()
		return map[string]any{"pid": os.Getpid(), "calls": calls, "request_id": lc.AwsRequestID, "left_ms": time.Until(deadline).Milliseconds(),
			"function": lambdacontext.FunctionName, "env": os.Environ()}, nil
	}, lambda.WithEnableSIGTERM(func() {
		if file := os.Getenv("PROBE_FAREWELL"); file != "" {
			_ = os.WriteFile(file, []byte("bye"), 0o600)
		}
		os.Exit(0)
	}))
}
