package lambdalocal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

func TestCloseWaitsForEventsUnderWay(t *testing.T) {
	t.Parallel()
	s, logs := start(t, Function{})
	busy := filepath.Join(t.TempDir(), "busy")
	done, err := s.send(t.Context(), "probe", []byte(`{"do":"sleep","ms":500,"file":"`+busy+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the function is busy", func() bool { return exists(busy) })
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	select {
	case o := <-done:
		decode(t, o.result)
	default:
		t.Error("Close did not wait")
	}
	if _, err := s.Invoke(t.Context(), "probe", []byte(`{}`)); !errors.Is(err, errClosed) {
		t.Errorf("after Close: %v", err)
	}
	if s.Environments("probe") != 0 {
		t.Error("an environment lives on")
	}
	length := len(logs.String())
	if err := s.Close(t.Context()); err != nil || len(logs.String()) != length {
		t.Errorf("a second Close: %v", err)
	}
}

// A killed environment takes its event with it; the next event finds a new one.
func TestKill(t *testing.T) {
	t.Parallel()
	s, _ := start(t, Function{})
	busy := filepath.Join(t.TempDir(), "busy")
	done, err := s.send(t.Context(), "probe", []byte(`{"do":"sleep","ms":60000,"file":"`+busy+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the function is busy", func() bool { return exists(busy) })
	if n := s.Kill("probe"); n != 1 {
		t.Errorf("%d killed", n)
	}
	if o := <-done; o.err != nil || o.result.FunctionError == "" {
		t.Errorf("%v, %s", o.err, o.result.Payload)
	}
	result, err := s.Invoke(t.Context(), "probe", []byte(`{}`))
	if err != nil || result.FunctionError != "" {
		t.Errorf("after it: %v, %s", err, result.Payload)
	}
	if s.Kill("nobody") != 0 {
		t.Error("there is no such function")
	}
}

// A killed start takes its event with it and does not delay the next start, which a start that fails by itself does.
func TestKillDuringAStart(t *testing.T) {
	t.Parallel()
	s, _ := start(t, Function{Env: []string{"PROBE_INIT=hang"}})
	done, err := s.send(t.Context(), "probe", []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the function starts", func() bool { return s.Kill("probe") == 1 })
	if o := <-done; o.err != nil || o.result.FunctionError == "" {
		t.Errorf("%v, %s", o.err, o.result.Payload)
	}
	p := s.functions["probe"]
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failures != 0 || !p.retryAt.IsZero() {
		t.Errorf("%d starts failed, the next may begin at %v", p.failures, p.retryAt)
	}
}

// Close while environments start leaves none behind.
func TestCloseDuringStarts(t *testing.T) {
	t.Parallel()
	s, _ := start(t, Function{Env: []string{"PROBE_INIT=hang"}})
	done, err := s.send(t.Context(), "probe", []byte(`{}`))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "a process starts", func() bool { return s.Environments("probe") > 0 })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Close(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Close: %v", err)
	}
	if o := <-done; !errors.Is(o.err, errClosed) || s.Environments("probe") != 0 {
		t.Errorf("%v %s, %d environments", o.err, o.result.Payload, s.Environments("probe"))
	}
}

// A function that was built for coverage writes its data when it is ended, because it ends by itself.
func TestCoverageSurvivesClose(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	covered := filepath.Join(dir, "covered")
	build(covered, "-cover")
	s, _ := start(t, Function{Binary: covered, Env: []string{"GOCOVERDIR=" + dir}})
	call(t, s, `{}`)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if counters, _ := filepath.Glob(filepath.Join(dir, "covcounters.*")); len(counters) != 1 {
		t.Fatalf("counters: %v", counters)
	}
	output, err := exec.Command("go", "tool", "covdata", "percent", "-i", dir).CombinedOutput()
	if err != nil || !regexp.MustCompile(`coverage: [1-9]`).Match(output) {
		t.Errorf("%v: %s", err, output)
	}
}

// playParent is this test's process in the role of a server that is killed: it starts a function and waits.
func playParent(binary string) {
	s, err := New(Config{Functions: []Function{{Name: "probe", Binary: binary}}})
	if err != nil {
		panic(err)
	}
	result, err := s.Invoke(context.Background(), "probe", []byte(`{}`))
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s\n", result.Payload)
	select {}
}

func TestFunctionsDieWithAKilledServer(t *testing.T) {
	t.Parallel()
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), "LAMBDALOCAL_TEST_PARENT="+probe)
	output, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = parent.Process.Kill(); _ = parent.Wait() })
	var said strings.Builder
	for buffer := make([]byte, 4096); !strings.Contains(said.String(), "\n"); {
		n, err := output.Read(buffer)
		said.Write(buffer[:n])
		if err != nil {
			t.Fatal(err, said.String())
		}
	}
	pid := number(t, regexp.MustCompile(`"pid":(\d+)`).FindStringSubmatch(said.String()))
	if err := syscall.Kill(pid, 0); err != nil {
		t.Fatalf("the function does not run: %v", err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the function ends", func() bool { return syscall.Kill(pid, 0) == syscall.ESRCH })
}
