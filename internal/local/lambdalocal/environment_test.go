package lambdalocal

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestAnEnvironmentServesOneEventAfterAnother(t *testing.T) {
	t.Parallel()
	s, _ := start(t, Function{Timeout: 30 * time.Second})
	first, second := decode(t, call(t, s, `{"a":1}`)), decode(t, call(t, s, `{}`))
	if first.PID != second.PID || second.Calls != 2 {
		t.Errorf("two environments for two events in a row: %+v %+v", first, second)
	}
	if first.LeftMS <= 0 || first.LeftMS > 30_000 {
		t.Errorf("%d ms left of 30,000", first.LeftMS)
	}
	if string(first.Event) != `{"a":1}` || first.ARN != "arn:aws:lambda:eu-central-1:123456789012:function:probe" {
		t.Errorf("event %s, ARN %s", first.Event, first.ARN)
	}
	for what, pair := range map[string][2]string{
		"request id": {first.RequestID, `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$`},
		"trace id":   {first.TraceID, `^Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0$`},
	} {
		if !regexp.MustCompile(pair[1]).MatchString(pair[0]) || pair[0] == second.RequestID {
			t.Errorf("%s %q", what, pair[0])
		}
	}
}

func TestTheProcessGetsWhatLambdaSetsAndNothingOfOurs(t *testing.T) {
	t.Setenv("LAMBDALOCAL_OURS", "secret")
	s, _ := start(t, Function{Env: []string{"OWN=value", "TZ=UTC"}, MemoryMB: 512})
	got := decode(t, call(t, s, `{}`))
	var names []string
	for _, variable := range got.Env {
		name, _, _ := strings.Cut(variable, "=")
		names = append(names, name)
	}
	// A shell, which becomes the process, sets the last ones on some systems.
	names = slices.DeleteFunc(names, func(n string) bool { return slices.Contains([]string{"PWD", "OLDPWD", "SHLVL", "_"}, n) })
	slices.Sort(names)
	want := []string{
		"AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_NAME",
		"AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_FORMAT", "AWS_LAMBDA_LOG_GROUP_NAME",
		"AWS_LAMBDA_LOG_STREAM_NAME", "AWS_LAMBDA_RUNTIME_API", "AWS_REGION", "LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT", "LANG",
		"OWN", "PATH", "TZ", "_HANDLER", "_X_AMZN_TRACE_ID",
	}
	if !slices.Equal(names, want) {
		t.Errorf("variables %v\nwant      %v", names, want)
	}
	for _, variable := range []string{"OWN=value", "TZ=UTC", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=512", "AWS_LAMBDA_LOG_FORMAT=JSON",
		"AWS_LAMBDA_LOG_GROUP_NAME=/aws/lambda/probe", "LAMBDA_TASK_ROOT=" + filepath.Dir(probe)} {
		if !slices.Contains(got.Env, variable) {
			t.Errorf("no %s in %v", variable, got.Env)
		}
	}
	if folder, err := filepath.EvalSymlinks(filepath.Dir(probe)); err != nil || got.Folder != folder {
		t.Errorf("working folder %s, want %s, %v", got.Folder, folder, err)
	}
}

func TestFailuresAreTheResultAndTheEnvironmentIsReplaced(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		order, kind, message string
		survives             bool
	}{
		"error":        {order: `{"do":"error"}`, kind: `"errorString"`, message: "no luck", survives: true},
		"panic":        {order: `{"do":"panic"}`, kind: `"string"`, message: "on purpose"},
		"exit":         {order: `{"do":"exit"}`, kind: "Runtime.ExitError", message: "Error: Runtime exited with error: exit status 4"},
		"quiet exit":   {order: `{"do":"exit-silently"}`, kind: "Runtime.ExitError", message: "Error: Runtime exited without providing a reason"},
		"killed":       {order: `{"do":"kill"}`, kind: "Runtime.ExitError", message: "Error: Runtime exited with error: signal: killed"},
		"timeout":      {order: `{"do":"hang"}`, kind: "Sandbox.Timedout", message: "Task timed out after 2.00 seconds"},
		"too big":      {order: `{"do":"big","bytes":6291555}`, kind: "Function.ResponseSizeTooLarge", message: "exceeded maximum allowed payload size (6291556 bytes)"},
		"not JSON":     {order: `nonsense`, kind: "SyntaxError", message: "invalid character", survives: true},
		"empty":        {order: ``, kind: "errorString", message: "EOF", survives: true},
		"much too big": {order: `{"do":"big","bytes":20000000}`, kind: "Function.ResponseSizeTooLarge", message: "exceeded maximum allowed payload size"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			timeout := time.Minute
			if name == "timeout" {
				timeout = 2 * time.Second
			}
			s, _ := start(t, Function{Concurrency: 1, Timeout: timeout})
			before := decode(t, call(t, s, `{}`)).PID
			got := call(t, s, "%s", test.order)
			if got.FunctionError != "Unhandled" || !strings.Contains(string(got.Payload), test.message) || !strings.Contains(string(got.Payload), test.kind) {
				t.Fatalf("got %q %s", got.FunctionError, got.Payload)
			}
			if after := decode(t, call(t, s, `{}`)).PID; (after == before) != test.survives {
				t.Errorf("environment %d before, %d after", before, after)
			}
			if n := s.Environments("probe"); n != 1 {
				t.Errorf("%d environments live", n)
			}
		})
	}
}

func TestTheLargestAnswerStillPasses(t *testing.T) {
	t.Parallel()
	s, _ := start(t, Function{})
	if got := call(t, s, `{"do":"big","bytes":6291554}`); got.FunctionError != "" || len(got.Payload) != maxPayload { // and two quotes
		t.Errorf("%d bytes, %s", len(got.Payload), got.FunctionError)
	}
}

func TestAnEnvironmentKilledWhileIdleCostsNoEvent(t *testing.T) {
	t.Parallel()
	s, _ := start(t, Function{})
	before := decode(t, call(t, s, `{}`)).PID
	if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the dead environment is forgotten", func() bool { return s.Environments("probe") == 0 })
	if after := decode(t, call(t, s, `{}`)); after.PID == before || after.Calls != 1 {
		t.Errorf("got %+v", after)
	}
}

func TestAnEnvironmentKilledWhileBusyGivesAnError(t *testing.T) {
	t.Parallel()
	s, _ := start(t, Function{})
	pid := decode(t, call(t, s, `{}`)).PID
	busy := filepath.Join(t.TempDir(), "busy")
	done, err := s.send(t.Context(), "probe", []byte(`{"do":"hang","file":"`+busy+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the function is busy", func() bool { return exists(busy) })
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if got := <-done; got.err != nil || !strings.Contains(string(got.result.Payload), "signal: killed") {
		t.Errorf("got %v %s", got.err, got.result.Payload)
	}
	decode(t, call(t, s, `{}`))
}

func TestOnlyWhoRegisteredHearsSIGTERM(t *testing.T) {
	t.Parallel()
	for how, hears := range map[string]bool{"": true, "deaf": true, "unregistered": false} {
		t.Run("how="+how, func(t *testing.T) {
			t.Parallel()
			sigterm := filepath.Join(t.TempDir(), "sigterm")
			s, _ := start(t, Function{Env: []string{"PROBE_FAREWELL=" + sigterm, "PROBE_SIGTERM=" + how}})
			pid := decode(t, call(t, s, `{}`)).PID
			if err := s.Close(t.Context()); err != nil {
				t.Error(err)
			}
			if exists(sigterm) != hears {
				t.Errorf("it received SIGTERM: %v, want %v", !hears, hears)
			}
			if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
				t.Errorf("process %d still lives: %v", pid, err)
			}
		})
	}
}

func TestATimeoutEndsTheEnvironmentInOrder(t *testing.T) {
	t.Parallel()
	sigterm := filepath.Join(t.TempDir(), "sigterm")
	s, _ := start(t, Function{Env: []string{"PROBE_FAREWELL=" + sigterm}, Timeout: 2 * time.Second})
	call(t, s, `{"do":"hang"}`)
	eventually(t, "it receives SIGTERM", func() bool { return exists(sigterm) })
	eventually(t, "it ends", func() bool { return s.Environments("probe") == 0 })
}

func TestWhateverAFunctionStartedEndsWithIt(t *testing.T) {
	t.Parallel()
	script := writeScript(t, `sleep 600 & echo "child $!"; wait`)
	s, logs := start(t, Function{Binary: script})
	s.functions["probe"].initTimeout = time.Second
	if got := call(t, s, `{}`); !strings.Contains(string(got.Payload), "Init timed out after 1s") {
		t.Errorf("got %s", got.Payload)
	}
	pid := number(t, regexp.MustCompile(`child (\d+)`).FindStringSubmatch(logs.String()))
	eventually(t, "the child of the function ends", func() bool { return syscall.Kill(pid, 0) == syscall.ESRCH })
}
