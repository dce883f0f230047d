package main

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"newsletter/internal/local/devstack"
	"newsletter/internal/local/lambdalocal"
)

// bench has what the emulators share: the stack, the events, and a count of failures.
type bench struct {
	root, dir string
	state     devstack.State
	caFile    string
	failures  int

	cloudFormation *http.Server
	responseURL    string
	mu             sync.Mutex
	responses      []string // what migrate sent to CloudFormation's URL
}

func newBench(root, dir string, stack *devstack.Stack) (*bench, error) {
	state, err := devstack.ReadState(dir)
	if err != nil {
		return nil, err
	}
	b := &bench{root: root, dir: dir, state: state, caFile: stack.Database.CAFile}
	return b, b.serveCloudFormation()
}

func (b *bench) close() { _ = b.cloudFormation.Close() }

// serveCloudFormation takes the answers of the custom resource, over TLS as CloudFormation does.
func (b *bench) serveCloudFormation() error {
	keys := filepath.Join(b.dir, "pki")
	certificate, err := tls.LoadX509KeyPair(filepath.Join(keys, "server.crt"), filepath.Join(keys, "server.key"))
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	b.responseURL = "https://" + listener.Addr().String() + "/response?X-Amz-Signature=local"
	b.cloudFormation = &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var answer struct{ Status string }
		if r.Method != http.MethodPut || json.NewDecoder(r.Body).Decode(&answer) != nil {
			answer.Status = "malformed"
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		b.responses = append(b.responses, answer.Status)
	})}
	tlsConfig := &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	go func() { _ = b.cloudFormation.Serve(tls.NewListener(listener, tlsConfig)) }()
	return nil
}

// functions lists the functions; migrate comes last, because its samples take the schema down and bring it back.
func (b *bench) functions() []string {
	var names []string
	for name := range b.state.Functions {
		if name != "migrate" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return append(names, "migrate")
}

// event is one sample.
type event struct {
	file string
	body []byte
}

// malformed is an event that no function can read.
var malformed = event{"(malformed event)", []byte(`{"requestContext":{"http":{"method":"GET"}},"headers":7}`)}

// events reads a function's samples in the order of their names: "down" comes before "up", so the schema exists at the
// end.
func (b *bench) events(function string) ([]event, error) {
	files, err := filepath.Glob(filepath.Join(b.root, "events", function, "*.json"))
	if err != nil {
		return nil, err
	}
	slices.Sort(files)
	var all []event
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		name, err := filepath.Rel(b.root, file)
		if err != nil {
			return nil, err
		}
		if body, err = b.answeredHere(body); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, event{filepath.ToSlash(name), body})
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("events/%s has no sample", function)
	}
	return all, nil
}

// answeredHere makes a CloudFormation request answer to this process.
func (b *bench) answeredHere(body []byte) ([]byte, error) {
	var fields map[string]any
	if err := json.Unmarshal(body, &fields); err != nil {
		return nil, err
	}
	if _, ok := fields["ResponseURL"]; !ok {
		return body, nil
	}
	fields["ResponseURL"] = b.responseURL
	return json.Marshal(fields)
}

// variables returns a function's environment. The system's root certificates are the stack's, for CloudFormation's URL.
func (b *bench) variables(function string) map[string]string {
	all := map[string]string{"SSL_CERT_FILE": b.caFile, "AWS_REGION": "eu-central-1"}
	for name, value := range b.state.Functions[function].Variables {
		all[name] = value
	}
	return all
}

// note prints the outcome of one event and counts it if it is wrong.
func (b *bench) note(function string, e event, result []byte, took time.Duration) {
	outcome, ok := judge(result)
	if e.file == malformed.file || strings.HasPrefix(path.Base(e.file), "not-a-") {
		ok = strings.HasPrefix(outcome, "error") // it must be refused
	}
	mark := "ok  "
	if !ok {
		mark = "FAIL"
		b.failures++
	}
	fmt.Printf("%s %-12s %-46s %6d ms  %s\n", mark, function, e.file, took.Milliseconds(), outcome)
}

// judge returns the outcome of a call. Answers of 4xx are correct, because some samples are to be refused.
func judge(result []byte) (outcome string, ok bool) {
	read, err := lambdalocal.Result{Payload: result}.Outcome()
	switch {
	case err != nil:
		return err.Error(), false
	case read.Failure != "":
		return fmt.Sprintf("%.300s", read.Failure), false
	case read.Status != 0:
		return fmt.Sprint(read.Status), read.Status < http.StatusInternalServerError
	}
	return fmt.Sprintf("%.120s", bytes.TrimSpace(result)), true
}

// answered checks that CloudFormation received a response to each of its requests.
func (b *bench) answered(all []event) {
	want := 0
	for _, e := range all {
		if bytes.Contains(e.body, []byte(`"ResponseURL"`)) {
			want++
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, status := range b.responses {
		if status == "SUCCESS" {
			want--
		}
	}
	if want != 0 {
		b.failures++
		fmt.Printf("FAIL migrate: CloudFormation received %v\n", b.responses)
	}
	b.responses = nil
}

// post sends an event to an emulator, waiting for it to listen.
func post(client *http.Client, url string, body []byte) ([]byte, error) {
	deadline := time.Now().Add(20 * time.Second)
	for {
		resp, err := client.Post(url, "application/json", bytes.NewReader(body))
		if err == nil {
			defer resp.Body.Close()
			return io.ReadAll(resp.Body)
		}
		if time.Now().After(deadline) {
			return nil, err
		}
		time.Sleep(50 * time.Millisecond)
	}
}
