package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"newsletter/internal/local/lambdalocal"
)

// lambdaAPI is a fake of AWS Lambda's Invoke API with the functions of a stack newsletter: the real binaries against a
// running local system. It verifies the requests, and their signatures first.
type lambdaAPI struct {
	*testing.T
	dir string
	key aws.Credentials

	mu       sync.Mutex
	answer   *lambdalocal.Result // in place of the function's
	status   int                 // in place of 200, with code
	code     string
	calls    map[string]int // by function
	log      bytes.Buffer   // of the functions
	problems []string
}

// newLambdaAPI starts the fake for the system with this data folder. profile is a file with the profile news, whose
// credentials it accepts.
func newLambdaAPI(t *testing.T, dir string) (api *lambdaAPI, server *httptest.Server, profile string) {
	t.Helper()
	api = &lambdaAPI{
		T: t, dir: dir, calls: map[string]int{}, key: aws.Credentials{AccessKeyID: "AKIDOPERATOR", SecretAccessKey: "s3cret", SessionToken: "session"},
	}
	server = httptest.NewServer(api)
	t.Cleanup(server.Close)
	profile = filepath.Join(t.TempDir(), "config")
	text := "[profile news]\nregion = eu-central-1\naws_access_key_id = AKIDOPERATOR\naws_secret_access_key = s3cret\naws_session_token = session\n"
	if err := os.WriteFile(profile, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return api, server, profile
}

var invokePath = regexp.MustCompile(`^/2015-03-31/functions/([A-Za-z0-9_-]+)/invocations$`)

// ServeHTTP implements http.Handler.
func (l *lambdaAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	path := invokePath.FindStringSubmatch(r.URL.Path)
	signed := l.signed(r, body)
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case r.Method != http.MethodPost || path == nil || !json.Valid(body) || len(body) > 6_291_556: // Lambda's maximum
		l.problems = append(l.problems, fmt.Sprintf("%s %s %s", r.Method, r.URL.Path, body))
		refuse(w, http.StatusBadRequest, "InvalidRequestContentException", "not an invocation")
	case signed != nil:
		refuse(w, http.StatusForbidden, "InvalidSignatureException", signed.Error())
	case l.status != 0:
		refuse(w, l.status, l.code, "the reason")
	case !strings.HasPrefix(path[1], "newsletter-"):
		refuse(w, http.StatusNotFound, "ResourceNotFoundException", "Function not found: arn:aws:lambda:eu-central-1:123456789012:function:"+path[1])
	default:
		result, err := lambdalocal.Result{}, error(nil)
		name := strings.TrimPrefix(path[1], "newsletter-")
		l.calls[name]++
		if l.answer != nil {
			result = *l.answer
		} else if result, err = invokeInDir(r.Context(), l.dir, name, body, &l.log); err != nil {
			refuse(w, http.StatusInternalServerError, "ServiceException", err.Error())
			return
		}
		if result.FunctionError != "" {
			w.Header().Set("X-Amz-Function-Error", result.FunctionError)
		}
		w.Header().Set("X-Amz-Executed-Version", "$LATEST")
		_, _ = w.Write(result.Payload)
	}
}

// count returns how often a function was invoked.
func (l *lambdaAPI) count(function string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.calls[function]
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-ErrorType", code)
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"Type":"User","Message":%q}`, message)
}

var authorization = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=([^/]+)/\d{8}/eu-central-1/lambda/aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=[0-9a-f]{64}$`)

// signed signs the request again, with the headers that its signature covers, and compares the signatures.
func (l *lambdaAPI) signed(r *http.Request, body []byte) error {
	parts := authorization.FindStringSubmatch(r.Header.Get("Authorization"))
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if parts == nil || err != nil || parts[1] != l.key.AccessKeyID || time.Since(at).Abs() > 5*time.Minute {
		return fmt.Errorf("authorization %q at %v", r.Header.Get("Authorization"), at)
	}
	again, err := http.NewRequestWithContext(r.Context(), r.Method, "http://"+r.Host+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	for _, name := range strings.Split(parts[2], ";") {
		if values := r.Header.Values(name); len(values) > 0 {
			again.Header[http.CanonicalHeaderKey(name)] = values
		}
	}
	hash := sha256.Sum256(body)
	if err := v4.NewSigner().SignHTTP(r.Context(), l.key, again, hex.EncodeToString(hash[:]), "lambda", "eu-central-1", at); err != nil {
		return err
	}
	if got := again.Header.Get("Authorization"); got != r.Header.Get("Authorization") {
		return errors.New("the signature does not match")
	}
	return nil
}

func (l *lambdaAPI) set(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
}

// TestHealthInAWS checks that health invokes a function in AWS with the operator's credentials, and explains errors
// without the text of the function's error.
func TestHealthInAWS(t *testing.T) {
	t.Parallel()
	path, dir := tool(t), t.TempDir()
	startDev(t, path, dir)
	api, server, profile := newLambdaAPI(t, dir)
	elsewhere := t.TempDir() // neither the repository nor a local system is needed
	run := func(variables []string, args ...string) (int, string) {
		cmd := exec.CommandContext(t.Context(), path, append([]string{"health"}, args...)...)
		cmd.Dir = elsewhere
		cmd.Env = append([]string{"HOME=" + elsewhere, "AWS_CONFIG_FILE=" + profile, "AWS_ENDPOINT_URL=" + server.URL, "AWS_EC2_METADATA_DISABLED=true", "AWS_MAX_ATTEMPTS=1"}, variables...)
		output, err := cmd.CombinedOutput()
		if exit, failed := errors.AsType[*exec.ExitError](err); failed {
			return exit.ExitCode(), string(output)
		}
		if err != nil {
			t.Fatal(err)
		}
		return 0, string(output)
	}
	good := []string{"AWS_PROFILE=news"}
	for name, test := range map[string]struct {
		variables []string
		args      []string
		status    int
		want      string
	}{
		"by a profile":     {good, []string{"--stack", "newsletter"}, 0, "postgres"},
		"by variables":     {[]string{"AWS_REGION=eu-central-1", "AWS_ACCESS_KEY_ID=AKIDOPERATOR", "AWS_SECRET_ACCESS_KEY=s3cret", "AWS_SESSION_TOKEN=session"}, []string{"--json", "--stack", "newsletter"}, 0, `"checks"`},
		"no such function": {good, []string{"--stack", "fly"}, 1, `function "fly-health" not found in eu-central-1`},
		"no credentials":   {[]string{"AWS_REGION=eu-central-1"}, []string{"--stack", "newsletter"}, 1, "no AWS credentials: set AWS_PROFILE"},
		"no region":        {nil, []string{"--stack", "newsletter"}, 1, "no AWS region"},
		"no such profile":  {[]string{"AWS_PROFILE=fly"}, []string{"--stack", "newsletter"}, 1, "read the AWS configuration"},
		"another's key":    {[]string{"AWS_REGION=eu-central-1", "AWS_ACCESS_KEY_ID=AKIDOPERATOR", "AWS_SECRET_ACCESS_KEY=other", "AWS_SESSION_TOKEN=session"}, []string{"--stack", "newsletter"}, 1, "InvalidSignatureException"},
	} {
		if status, output := run(test.variables, test.args...); status != test.status || !strings.Contains(output, test.want) || strings.Contains(output, "s3cret") {
			t.Errorf("%s: %d, want %d and %q: %s", name, status, test.status, test.want, output)
		}
	}

	ask := func(want int, text string, args ...string) {
		t.Helper()
		if status, output := run(good, append(args, "--stack", "newsletter")...); status != want || !strings.Contains(output, text) || strings.Contains(output, "postgres://") {
			t.Errorf("status %d, want %d and %q: %s", status, want, text, output)
		}
	}
	for payload, text := range map[string]string{
		`{"errorType":"Runtime.ExitError","errorMessage":"postgres://app:password@db"}`: "newsletter-health failed (Runtime.ExitError); see its log",
		`{"errorType":"postgres://app:password@db","errorMessage":"x"}`:                 "newsletter-health failed (Unhandled)",
		`postgres://app:password@db`: "newsletter-health failed (Unhandled)",
	} {
		api.set(func() { api.answer = &lambdalocal.Result{Payload: []byte(payload), FunctionError: "Unhandled"} })
		ask(1, text)
		ask(1, text, "--json")
	}
	report := func(status string) {
		api.set(func() { api.answer = &lambdalocal.Result{Payload: []byte(`{"status":"` + status + `"}`)} })
	}
	for status, want := range map[string][2]int{"pass": {0, 0}, "warn": {0, 1}, "fail": {1, 1}} {
		report(status)
		ask(want[0], status)
		ask(want[1], status, "--strict")
	}
	report("strange")
	ask(1, "not a response of the health function")
	api.set(func() { api.answer = &lambdalocal.Result{Payload: []byte(`"postgres://app:password@db"`)} })
	ask(1, "not a response of the health function")
	api.set(func() { api.status, api.code = http.StatusForbidden, "AccessDeniedException" })
	ask(1, "AccessDeniedException: the reason")
	server.Close()
	ask(1, "connection refused")
	if len(api.problems) > 0 {
		t.Errorf("AWS would refuse these requests: %v", api.problems)
	}
}
