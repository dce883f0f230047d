package config

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"newsletter/shared/awssdk"
)

// fetchSecrets reads the secrets in parallel, because a cold start waits for them, and merges them in order. A secret's
// content is never part of an error.
func fetchSecrets(ctx context.Context, arns []string) (map[string]string, error) {
	client := secretsmanager.New(secretsmanager.Options{
		Region:       awssdk.Region(),
		Credentials:  awssdk.Credentials(),
		BaseEndpoint: awssdk.Endpoint("secretsmanager"),
	})
	values, problems := make([]map[string]string, len(arns)), make([]error, len(arns))
	var reads sync.WaitGroup
	for i, arn := range arns {
		reads.Go(func() { values[i], problems[i] = fetchSecret(ctx, client, strings.TrimSpace(arn)) })
	}
	reads.Wait()
	merged := make(map[string]string)
	for _, one := range values {
		maps.Copy(merged, one)
	}
	return merged, errors.Join(problems...)
}

func fetchSecret(ctx context.Context, client *secretsmanager.Client, arn string) (map[string]string, error) {
	output, err := client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: aws.String(arn)})
	if err != nil {
		return nil, fmt.Errorf("read secret %s: %w", arn, err)
	}
	var values map[string]string
	if json.Unmarshal([]byte(aws.ToString(output.SecretString)), &values) != nil { // its error quotes the content
		return nil, fmt.Errorf("secret %s: must be a JSON object of names to strings", arn)
	}
	return values, nil
}
