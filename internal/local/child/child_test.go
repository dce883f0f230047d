package child

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain runs the test binary as the process that is killed: it starts a server, prints its id and waits.
func TestMain(m *testing.M) {
	if os.Getenv("CHILD_TEST_PARENT") != "" {
		c, err := Start(Options{Path: "sleep", Args: []string{"600"}})
		if err != nil {
			panic(err)
		}
		fmt.Println(c.PID())
		<-c.Done()
		return
	}
	os.Exit(m.Run())
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }

func TestServerDiesWithAKilledParent(t *testing.T) {
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), "CHILD_TEST_PARENT=1")
	output, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	var line [32]byte
	n, err := output.Read(line[:])
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(line[:n])))
	if err != nil || !alive(pid) {
		t.Fatalf("server %q does not run: %v", line[:n], err)
	}
	time.Sleep(300 * time.Millisecond) // long enough for a wrong end
	if !alive(pid) {
		t.Fatal("the server ended although its parent lives")
	}
	_ = parent.Process.Kill()
	_ = parent.Wait()
	for deadline := time.Now().Add(30 * time.Second); alive(pid); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			t.Fatal("the server outlives the process that started it")
		}
	}
}

func TestStopEndsASuspendedOrUnresponsiveServer(t *testing.T) {
	for name, script := range map[string]string{"obedient": "sleep 600", "deaf": `trap "" TERM; while :; do sleep 1; done`} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := Start(Options{Path: "/bin/sh", Args: []string{"-c", script}})
			if err != nil {
				t.Fatal(err)
			}
			select {
			case <-c.Done():
				t.Fatalf("it ended by itself: %v", c.Err())
			case <-time.After(300 * time.Millisecond):
			}
			_ = c.Signal(syscall.SIGSTOP)
			c.Stop(500 * time.Millisecond)
			if alive(c.PID()) {
				t.Error("it still runs")
			}
		})
	}
}

func TestDoneReportsTheEnd(t *testing.T) {
	c, err := Start(Options{Path: "false"})
	if err != nil {
		t.Fatal(err)
	}
	<-c.Done()
	if c.Err() == nil {
		t.Error("a failed server has no error")
	}
}
