// Command leaky is a function that lets everything out which it is sent.
package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
)

func main() { lambda.Start(handle) }

func handle(_ context.Context, event events.APIGatewayV2HTTPRequest) (any, error) {
	if event.RequestContext.HTTP.Method == "" { // "up", to migrate
		return json.RawMessage(`{"ok":true}`), nil
	}
	said := event.QueryStringParameters["say"]
	line, err := json.Marshal(map[string]any{"message": said})
	if err != nil {
		return nil, err
	}
	fmt.Println(string(line))
	fmt.Printf(`{"_aws":{},"message":%q}`+"\n", said)
	status := 200
	if event.RequestContext.HTTP.Method == "POST" {
		status = 422
	}
	return events.APIGatewayV2HTTPResponse{StatusCode: status, Headers: map[string]string{"X-Said": said}}, nil
}
