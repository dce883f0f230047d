package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"

	"newsletter/internal/local/lambdalocal"
)

// lambdaTimeout is longer than the timeout of any function: Lambda's maximum is 15 minutes ("Lambda quotas").
const lambdaTimeout = 16 * time.Minute

// functions are the functions of an installation: those of a stack in AWS, or of the running local system.
type functions struct {
	stack  string // empty for the local system
	client *lambda.Client
	region string
}

// stackPattern is that of the name of a stack (CloudFormation API reference, CreateStack) that the names of its
// functions leave room for: they have at most 64 characters.
var stackPattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{0,51}$`)

// invoke sends an event to a function, and returns an error if the function failed. The stack's functions are named
// after it: newsletter-health.
func (f *functions) invoke(ctx context.Context, name string, event []byte) (payload []byte, err error) {
	var result lambdalocal.Result
	if f.stack == "" {
		result, err = invokeLocal(ctx, name, event, io.Discard)
	} else {
		name = f.stack + "-" + name
		result, err = f.invokeLambda(ctx, name, event)
	}
	if err == nil && result.FunctionError != "" {
		err = functionError(name, result)
	}
	return result.Payload, err
}

// invokeLambda sends an event to a function in AWS. Its errors include what to do.
func (f *functions) invokeLambda(ctx context.Context, name string, event []byte) (lambdalocal.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, lambdaTimeout)
	defer cancel()
	if err := f.connect(ctx); err != nil {
		return lambdalocal.Result{}, err
	}
	answer, err := f.client.Invoke(ctx, &lambda.InvokeInput{FunctionName: &name, Payload: event})
	if err != nil {
		return lambdalocal.Result{}, f.invokeError(name, err)
	}
	return lambdalocal.Result{Payload: answer.Payload, FunctionError: aws.ToString(answer.FunctionError)}, nil
}

// connect reads the credentials of the operator's profile, SSO session or environment, once.
func (f *functions) connect(ctx context.Context) error {
	if f.client != nil {
		return nil
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return fmt.Errorf("read the AWS configuration: %w", err)
	}
	if cfg.Region == "" {
		return errors.New("no AWS region: set AWS_REGION, or AWS_PROFILE to a profile that has one")
	}
	if _, err := cfg.Credentials.Retrieve(ctx); err != nil {
		return fmt.Errorf("no AWS credentials: set AWS_PROFILE, sign in by `aws sso login`, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: %w", err)
	}
	f.client, f.region = lambda.NewFromConfig(cfg), cfg.Region
	return nil
}

// invokeError explains an error of Lambda's Invoke.
func (f *functions) invokeError(name string, err error) error {
	if _, unknown := errors.AsType[*types.ResourceNotFoundException](err); unknown {
		return fmt.Errorf("function %q not found in %s: check --stack, the region and the account", name, f.region)
	}
	if refused, ok := errors.AsType[smithy.APIError](err); ok {
		return fmt.Errorf("invoke %s in %s: %s: %s", name, f.region, refused.ErrorCode(), refused.ErrorMessage())
	}
	return fmt.Errorf("invoke %s in %s: %w", name, f.region, err)
}

// errorTypePattern matches the name of an error type.
var errorTypePattern = regexp.MustCompile(`^[A-Za-z0-9_.*-]{1,80}$`)

// errFunction is the error for an error result of a function.
var errFunction = errors.New("the function returned an error")

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
