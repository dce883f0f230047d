// Command empty is the smallest function that aws-lambda-go builds. Start times of the others are compared with it.
package main

import (
	"context"

	"github.com/aws/aws-lambda-go/lambda"
)

func main() {
	lambda.Start(func(context.Context) error { return nil })
}
