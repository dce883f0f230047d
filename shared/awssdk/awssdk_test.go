package awssdk

import (
	"errors"
	"testing"
)

func TestCredentialsFollowTheEnvironment(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "one")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	t.Setenv("AWS_SESSION_TOKEN", "session")
	provider := Credentials()
	got, err := provider.Retrieve(t.Context())
	if err != nil || got.AccessKeyID != "one" || got.SecretAccessKey != "secret" || got.SessionToken != "session" {
		t.Errorf("got %s, %v", got.AccessKeyID, err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "two")
	if got, _ := provider.Retrieve(t.Context()); got.AccessKeyID != "two" {
		t.Errorf("kept %s", got.AccessKeyID)
	}
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	if _, err := provider.Retrieve(t.Context()); !errors.Is(err, errNoCredentials) {
		t.Errorf("got %v", err)
	}
}

func TestEndpointPrefersTheService(t *testing.T) {
	t.Setenv("AWS_ENDPOINT_URL", "")
	t.Setenv("AWS_ENDPOINT_URL_SESV2", "")
	if got := Endpoint("SESV2"); got != nil {
		t.Errorf("got %s without a variable", *got)
	}
	t.Setenv("AWS_ENDPOINT_URL", "http://all")
	if got := Endpoint("SESV2"); got == nil || *got != "http://all" {
		t.Errorf("got %v", got)
	}
	t.Setenv("AWS_ENDPOINT_URL_SESV2", "http://ses")
	if got := Endpoint("SESV2"); got == nil || *got != "http://ses" {
		t.Errorf("got %v", got)
	}
}

func TestRegion(t *testing.T) {
	t.Setenv("AWS_REGION", "eu-central-1")
	if got := Region(); got != "eu-central-1" {
		t.Errorf("got %s", got)
	}
}
