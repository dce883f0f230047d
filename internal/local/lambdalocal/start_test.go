package lambdalocal

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func writeScript(t *testing.T, body string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "bootstrap")
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+body+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return file
}

func number(t *testing.T, match []string) int {
	t.Helper()
	if len(match) != 2 {
		t.Fatalf("no number: %q", match)
	}
	n, err := strconv.Atoi(match[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAFunctionThatCannotStartSaysWhy(t *testing.T) {
	t.Parallel()
	for how, want := range map[string]struct{ kind, message, log string }{
		"exit":  {"Runtime.ExitError", "Error: Runtime exited with error: exit status 3", "probe | cannot start\n"},
		"panic": {"Runtime.ExitError", "Error: Runtime exited with error: exit status 2", "probe | panic: no way to begin\n"},
		"error": {"Probe.NoDatabase", "there is no database", "lambda | probe did not start, next try after 100ms: Probe.NoDatabase: there is no database\n"},
		"hang":  {"Sandbox.Timedout", "Init timed out after 1s", "lambda | probe did not start"},
	} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			s, logs := start(t, Function{Env: []string{"PROBE_INIT=" + how}})
			if how == "hang" {
				s.functions["probe"].initTimeout = time.Second
			}
			got := call(t, s, `{}`)
			if text := string(got.Payload); got.FunctionError == "" || !strings.Contains(text, want.kind) || !strings.Contains(text, want.message) {
				t.Errorf("got %q %s", got.FunctionError, got.Payload)
			}
			if !strings.Contains(logs.String(), want.log) {
				t.Errorf("no %q in the log: %q", want.log, logs.String())
			}
			if n := s.Environments("probe"); n != 0 {
				t.Errorf("%d environments live", n)
			}
		})
	}
}

func TestAMissingBinaryIsNamed(t *testing.T) {
	t.Parallel()
	s, _ := start(t, Function{Binary: filepath.Join(t.TempDir(), "nothing")})
	if got := call(t, s, `{}`); !strings.Contains(string(got.Payload), "Runtime.InvalidEntrypoint") || !strings.Contains(string(got.Payload), "no such file") {
		t.Errorf("got %s", got.Payload)
	}
}

// Many events for a function that cannot start are answered without a process for each; once repaired, it serves again.
func TestStartsThatFailBackOff(t *testing.T) {
	t.Parallel()
	needed := filepath.Join(t.TempDir(), "needed")
	s, logs := start(t, Function{Env: []string{"PROBE_INIT=need", "PROBE_NEEDS=" + needed}})
	const events = 300
	for range events {
		if got := call(t, s, `{}`); !strings.Contains(string(got.Payload), "exit status 5") {
			t.Fatalf("got %s", got.Payload)
		}
	}
	if tries := strings.Count(logs.String(), "did not start"); tries == 0 || tries > events/10 {
		t.Errorf("%d starts for %d events", tries, events)
	}
	if err := os.WriteFile(needed, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the repaired function serves", func() bool { return call(t, s, `{}`).FunctionError == "" })
	if p := s.functions["probe"]; p.failures != 0 {
		t.Errorf("%d failures are still counted", p.failures)
	}
}
