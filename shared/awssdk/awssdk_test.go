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

func TestEndpointIsAFakeOrTheServiceItself(t *testing.T) {
	t.Setenv("FAKES_URL", "")
	if got := Endpoint("ses"); got != nil {
		t.Errorf("got %s without a variable", *got)
	}
	t.Setenv("FAKES_URL", "http://127.0.0.1:4000")
	if got := Endpoint("ses"); got == nil || *got != "http://127.0.0.1:4000/ses/" {
		t.Errorf("got %v", got)
	}
}

func TestRegion(t *testing.T) {
	t.Setenv("AWS_REGION", "eu-central-1")
	if got := Region(); got != "eu-central-1" {
		t.Errorf("got %s", got)
	}
}
