package config

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"newsletter/shared/awssdk"
)

// fetchSecrets reads the secrets in order and merges them. A secret's value never becomes part of an error.
func fetchSecrets(ctx context.Context, arns []string) (map[string]string, error) {
	client := secretsmanager.New(secretsmanager.Options{
		Region:       awssdk.Region(),
		Credentials:  awssdk.Credentials(),
		BaseEndpoint: awssdk.Endpoint("SECRETS_MANAGER"),
	})
	merged := make(map[string]string)
	var problems []error
	for _, arn := range arns {
		output, err := client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(arn)})
		if err != nil {
			problems = append(problems, fmt.Errorf("read secret %s: %w", arn, err))
			continue
		}
		var values map[string]string
		if err := json.Unmarshal([]byte(aws.ToString(output.SecretString)), &values); err != nil {
			problems = append(problems, fmt.Errorf("secret %s: not a JSON object of names to strings", arn))
			continue
		}
		maps.Copy(merged, values)
	}
	return merged, errors.Join(problems...)
}
