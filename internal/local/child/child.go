// Package child starts servers that never outlive this process, even if it is killed.
//
// Each server is started by a shell that first starts a watcher. The watcher reads from our pipe and signals the
// server when the pipe closes, which the kernel does however this process ends. This works on every Unix and, unlike
// a parent-death signal, does not depend on the lifetime of a thread.
package child

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// watch is the shell script that starts the watcher and then becomes the server: the shell's process id is the
// server's.
//
// The pipe is first moved away from standard input, because a shell connects background jobs to /dev/null.
const watch = `exec 3<&0; ( read -r _ <&3; kill -s "$0" $$ 2>/dev/null; exit 0 ) >/dev/null 2>&1 & exec "$@" </dev/null 3<&-`

// Options configure a server.
type Options struct {
	Path string
	Args []string
	Dir  string    // working folder; defaults to the current one
	Env  []string  // nil: the current environment
	Log  io.Writer // receives the output; nil discards it
	// UID and GID are the user and group to run as; 0 keeps the current ones.
	UID, GID uint32
	// StopSignal ends it: INT, TERM (the default) or QUIT.
	StopSignal string
}

// Child is a running server. It is safe for concurrent use.
type Child struct {
	cmd    *exec.Cmd
	pipe   io.Closer
	signal syscall.Signal
	done   chan struct{}
	err    error
}

var signals = map[string]syscall.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "QUIT": syscall.SIGQUIT}

// Start starts the server. The caller checks that it serves.
func Start(o Options) (*Child, error) {
	if o.StopSignal == "" {
		o.StopSignal = "TERM"
	}
	signal, known := signals[o.StopSignal]
	if !known {
		return nil, fmt.Errorf("unknown stop signal %q", o.StopSignal)
	}
	cmd := exec.Command("/bin/sh", append([]string{"-c", watch, o.StopSignal, o.Path}, o.Args...)...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = o.Dir, o.Env, o.Log, o.Log
	cmd.WaitDelay = time.Second                           // the watcher may keep the output open for a moment
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C reaches only this process, which stops the server in order
	if o.UID != 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: o.UID, Gid: o.GID}
	}
	pipe, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", o.Path, err)
	}
	c := &Child{cmd: cmd, pipe: pipe, signal: signal, done: make(chan struct{})}
	go func() {
		defer close(c.done)
		err := cmd.Wait()
		if !errors.Is(err, exec.ErrWaitDelay) {
			c.err = err
		}
		_ = pipe.Close()
	}()
	return c, nil
}

// PID returns the server's process id.
func (c *Child) PID() int { return c.cmd.Process.Pid }

// Done returns a channel that is closed when the server has ended.
func (c *Child) Done() <-chan struct{} { return c.done }

// Err returns the server's exit error, once Done is closed.
func (c *Child) Err() error { return c.err }

// Signal sends a signal, such as SIGSTOP in a fault test.
func (c *Child) Signal(s os.Signal) error { return c.cmd.Process.Signal(s) }

// Stop signals the server to end, waits for grace, and then kills it. It may be called several times.
func (c *Child) Stop(grace time.Duration) {
	_ = c.cmd.Process.Signal(syscall.SIGCONT) // a suspended process handles no other signal
	_ = c.cmd.Process.Signal(c.signal)
	select {
	case <-c.done:
	case <-time.After(grace):
		_ = c.cmd.Process.Kill()
		<-c.done
	}
}
