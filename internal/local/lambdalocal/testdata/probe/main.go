// Command probe is a function that does what the event tells it to: the tests' stand-in for every way to behave.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type order struct {
	Do       string `json:"do"`
	Ms       int    `json:"ms"`
	Bytes    int    `json:"bytes"`
	Lines    int    `json:"lines"`
	File     string `json:"file"`
	RouteKey string `json:"routeKey"`
	Query    string `json:"rawQueryString"`
}

type probe struct{ calls int }

func main() {
	begin()
	fmt.Println("started")
	p := &probe{}
	switch farewell := os.Getenv("PROBE_FAREWELL"); os.Getenv("PROBE_SIGTERM") {
	case "unregistered": // it would hear SIGTERM, but never told Lambda so
		heard := make(chan os.Signal, 1)
		signal.Notify(heard, syscall.SIGTERM)
		go func() { <-heard; write(farewell); os.Exit(0) }()
		lambda.Start(p.handle)
	case "deaf":
		lambda.StartWithOptions(p.handle, lambda.WithEnableSIGTERM(func() { write(farewell) }))
	default:
		lambda.StartWithOptions(p.handle, lambda.WithEnableSIGTERM(func() { write(farewell); os.Exit(0) }))
	}
}

// begin is the INIT phase, which may go wrong.
func begin() {
	switch file := os.Getenv("PROBE_NEEDS"); os.Getenv("PROBE_INIT") {
	case "exit":
		fmt.Fprintln(os.Stderr, "cannot start")
		os.Exit(3)
	case "panic":
		panic("no way to begin")
	case "error":
		body := strings.NewReader(`{"errorType":"Probe.NoDatabase","errorMessage":"there is no database"}`)
		response, err := http.Post("http://"+os.Getenv("AWS_LAMBDA_RUNTIME_API")+"/2018-06-01/runtime/init/error", "application/json", body)
		if err != nil || response.StatusCode != http.StatusAccepted {
			panic(fmt.Sprint(err, response))
		}
		os.Exit(1)
	case "hang":
		select {}
	case "need":
		if _, err := os.Stat(file); err != nil {
			os.Exit(5)
		}
	}
}

func write(file string) {
	if file != "" {
		if err := os.WriteFile(file, []byte("bye"), 0o600); err != nil {
			panic(err)
		}
	}
}

func (p *probe) handle(ctx context.Context, event json.RawMessage) (any, error) {
	p.calls++
	var o order
	if err := json.Unmarshal(event, &o); err != nil {
		return nil, err
	}
	if o.RouteKey != "" { // the route of an HTTP event is the order
		_, o.Do, _ = strings.Cut(o.RouteKey, " /")
	}
	switch o.Do {
	case "error":
		return nil, errors.New("no luck")
	case "panic":
		panic("on purpose")
	case "exit":
		os.Exit(4)
	case "exit-silently":
		os.Exit(0)
	case "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	case "sleep":
		write(o.File)
		time.Sleep(time.Duration(o.Ms) * time.Millisecond)
	case "hang":
		write(o.File)
		for {
			time.Sleep(time.Hour)
		}
	case "big":
		return strings.Repeat("x", o.Bytes), nil
	case "talk":
		for i := range o.Lines {
			fmt.Fprintf([]*os.File{os.Stdout, os.Stderr}[i%2], `{"pid":%d,"i":%d,"filler":"%s"}`+"\n", os.Getpid(), i, strings.Repeat("·", i))
		}
		fmt.Print("no end of line")
	case "http":
		return map[string]any{"statusCode": 200, "body": string(event), "headers": map[string]string{"Content-Type": "application/json"}}, nil
	case "answer": // the query is the payload
		payload, err := url.PathUnescape(o.Query)
		return json.RawMessage(payload), err
	}
	lc, _ := lambdacontext.FromContext(ctx)
	deadline, _ := ctx.Deadline()
	folder, _ := os.Getwd()
	return map[string]any{
		"pid": os.Getpid(), "calls": p.calls, "request_id": lc.AwsRequestID, "arn": lc.InvokedFunctionArn,
		"trace_id": os.Getenv("_X_AMZN_TRACE_ID"), "left_ms": time.Until(deadline).Milliseconds(),
		"function": lambdacontext.FunctionName, "env": os.Environ(), "folder": folder, "event": event,
	}, nil
}
