// Package awssdk configures the clients of the AWS SDK from the Lambda environment.
//
// It replaces the SDK's own config module, which adds 3 MB to a function to find credentials in places that a
// Lambda function does not have: Lambda sets them as environment variables.
package awssdk

import (
	"context"
	"errors"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// errNoCredentials is returned where the environment names no credentials.
var errNoCredentials = errors.New("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set")

// Credentials reads the function's role credentials from the environment. Lambda renews them by replacing the
// environment, so they are never cached beyond it.
func Credentials() aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		c := aws.Credentials{
			AccessKeyID:     os.Getenv("AWS_ACCESS_KEY_ID"),
			SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY"),
			SessionToken:    os.Getenv("AWS_SESSION_TOKEN"),
			Source:          "environment",
		}
		if c.AccessKeyID == "" || c.SecretAccessKey == "" {
			return aws.Credentials{}, errNoCredentials
		}
		return c, nil
	})
}

// Region returns the region the function runs in.
func Region() string { return os.Getenv("AWS_REGION") }

// Endpoint returns the base URL of a service's fake below FAKES_URL, which only the local stack and tests set, or nil
// for the service itself. The names are s3, secretsmanager, ses, sns and sqs.
func Endpoint(service string) *string {
	fakes := os.Getenv("FAKES_URL")
	if fakes == "" {
		return nil
	}
	url := fakes + "/" + service + "/"
	return &url
}
