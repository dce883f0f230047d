package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestJudge(t *testing.T) {
	for result, want := range map[string]bool{
		`{"statusCode":202,"body":"{}"}`:                 true,
		`{"statusCode":404}`:                             true,
		`{"statusCode":503}`:                             false,
		`{"errorMessage":"x","errorType":"errorString"}`: false,
		`{"Status":"FAILED","Reason":"x"}`:               false,
		`{"Status":"SUCCESS"}`:                           true,
		`{"ok":false,"problems":["x"]}`:                  false,
		`{"outcomes":{}}` + "\n":                         true,
		`null`:                                           true,
		``:                                               false,
		`exit status 1`:                                  false,
	} {
		if outcome, ok := judge([]byte(result)); ok != want {
			t.Errorf("%q is judged %t: %s", result, ok, outcome)
		}
	}
}

func TestAMissingEmulatorIsNoSuccessInCI(t *testing.T) {
	missing := errMissing("it is not here")
	if err := tolerated(missing, false); err != nil {
		t.Error(err)
	}
	if err := tolerated(missing, true); !errors.Is(err, missing) {
		t.Error(err)
	}
	if err := tolerated(io.EOF, false); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

// TestOntoThisMachine changes a request as `sam local` sends it.
func TestOntoThisMachine(t *testing.T) {
	const create = `{"Image":"i","Entrypoint":["/var/rapid/aws-lambda-rie","--log-level","error"],"ExposedPorts":{"8080/tcp":{}},"Env":["AWS_REGION=us-east-1","SITE_NAME=x"],
		"HostConfig":{"NetworkMode":"default","PortBindings":{"8080/tcp":[{"HostIp":"127.0.0.1","HostPort":"5678"}]},"Binds":["/a:/var/task:ro"]}}`
	r, err := http.NewRequest(http.MethodPost, "http://docker/v1.41/containers/create?name=n&platform=linux%2Farm64", strings.NewReader(create))
	if err != nil {
		t.Fatal(err)
	}
	if err := ontoThisMachine(r, map[string]string{"PEPPER": "p=", "AWS_REGION": "eu-central-1"}); err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || int64(len(body)) != r.ContentLength {
		t.Fatalf("%d bytes, said to be %d: %v", len(body), r.ContentLength, err)
	}
	var got struct {
		Image        string
		Entrypoint   []string
		Env          []string
		ExposedPorts map[string]any
		HostConfig   struct {
			NetworkMode  string
			PortBindings map[string]any
			Binds        []string
		}
	}
	if err := json.Unmarshal(body, &got); err != nil {
		t.Fatal(err)
	}
	if got.HostConfig.NetworkMode != "host" || got.ExposedPorts != nil || got.HostConfig.PortBindings != nil {
		t.Errorf("the container is not in the host's network: %s", body)
	}
	if i := slices.Index(got.Entrypoint, "--runtime-interface-emulator-address"); i != 3 || got.Entrypoint[i+1] != "127.0.0.1:5678" {
		t.Errorf("the emulator does not listen where it is asked: %q", got.Entrypoint)
	}
	slices.Sort(got.Env)
	if want := []string{"AWS_REGION=eu-central-1", "PEPPER=p=", "SITE_NAME=x"}; !slices.Equal(got.Env, want) {
		t.Errorf("the variables are %q, want %q", got.Env, want)
	}
	if r.URL.RawQuery != "name=n" {
		t.Errorf("it asks for %s", r.URL.RawQuery)
	}
	if got.Image != "i" || len(got.HostConfig.Binds) != 1 {
		t.Errorf("something else was changed: %s", body)
	}
}
