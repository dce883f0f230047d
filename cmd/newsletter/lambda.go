package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"

	"newsletter/internal/local/lambdalocal"
)

// lambdaTimeout is longer than the timeout of any function that the tool invokes.
const lambdaTimeout = 2 * time.Minute

// invokeLambda sends an event to a function in AWS, with the credentials of the operator's profile, SSO session or
// environment. Its errors include what to do.
func invokeLambda(ctx context.Context, name string, event []byte) (lambdalocal.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, lambdaTimeout)
	defer cancel()
	cfg, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return lambdalocal.Result{}, fmt.Errorf("read the AWS configuration: %w", err)
	}
	if cfg.Region == "" {
		return lambdalocal.Result{}, errors.New("no AWS region: set AWS_REGION, or AWS_PROFILE to a profile that has one")
	}
	if _, err := cfg.Credentials.Retrieve(ctx); err != nil {
		return lambdalocal.Result{}, fmt.Errorf("no AWS credentials: set AWS_PROFILE, sign in by `aws sso login`, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: %w", err)
	}
	answer, err := lambda.NewFromConfig(cfg).Invoke(ctx, &lambda.InvokeInput{FunctionName: &name, Payload: event})
	if err != nil {
		return lambdalocal.Result{}, invokeError(name, cfg.Region, err)
	}
	return lambdalocal.Result{Payload: answer.Payload, FunctionError: aws.ToString(answer.FunctionError)}, nil
}

// invokeError explains an error of Lambda's Invoke.
func invokeError(name, region string, err error) error {
	if _, unknown := errors.AsType[*types.ResourceNotFoundException](err); unknown {
		return fmt.Errorf("function %q not found in %s; its name is the stack's output HealthFunctionName", name, region)
	}
	if refused, ok := errors.AsType[smithy.APIError](err); ok {
		return fmt.Errorf("invoke %s in %s: %s: %s", name, region, refused.ErrorCode(), refused.ErrorMessage())
	}
	return fmt.Errorf("invoke %s in %s: %w", name, region, err)
}

// errorTypePattern matches the name of an error type.
var errorTypePattern = regexp.MustCompile(`^[A-Za-z0-9_.*]{1,80}$`)

// functionError returns the error for a failed function. It includes only the type of the function's error, because the
// text may contain anything.
func functionError(name string, result lambdalocal.Result) error {
	var payload struct {
		Type string `json:"errorType"`
	}
	if json.Unmarshal(result.Payload, &payload) != nil || !errorTypePattern.MatchString(payload.Type) {
		payload.Type = result.FunctionError
	}
	return fmt.Errorf("%w: %s failed (%s); see its log", errFunction, name, payload.Type)
}
