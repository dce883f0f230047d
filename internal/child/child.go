// Package child starts servers that never outlive this process, even when it is killed.
//
// Each server is started through a shell that first leaves a watcher behind: the watcher reads from a pipe of ours and
// signals the server when the pipe closes, which the kernel sees to however we end. This needs no feature of one
// operating system and, unlike a parent-death signal, does not depend on the life of a thread.
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

// watch leaves the watcher behind and becomes the server: the shell's process id is the server's.
//
// The pipe is moved away from standard input first, because a shell gives background jobs an empty one.
const watch = `exec 3<&0; ( read -r _ <&3; kill -s "$0" $$ 2>/dev/null; exit 0 ) >/dev/null 2>&1 & exec "$@" </dev/null 3<&-`

// Options describe a server.
type Options struct {
	Path string
	Args []string
	Dir  string    // its working folder; defaults to ours
	Env  []string  // nil: ours
	Log  io.Writer // its output; nil drops it
	// UID and GID are whom it runs as; 0 keeps ours.
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

// Start starts the server. That it serves is for the caller to find out.
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
	cmd.WaitDelay = time.Second                           // the watcher may hold the output open for a moment
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // the terminal's Ctrl-C is for us, who then stop it in order
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

// PID is the server's process id.
func (c *Child) PID() int { return c.cmd.Process.Pid }

// Done is closed when the server has ended.
func (c *Child) Done() <-chan struct{} { return c.done }

// Err says how the server ended, once Done is closed.
func (c *Child) Err() error { return c.err }

// Signal sends a signal, such as SIGSTOP in a fault test.
func (c *Child) Signal(s os.Signal) error { return c.cmd.Process.Signal(s) }

// Stop asks the server to end, waits for grace, and then kills it. It may be called several times.
func (c *Child) Stop(grace time.Duration) {
	_ = c.cmd.Process.Signal(syscall.SIGCONT) // a stopped process takes no other signal
	_ = c.cmd.Process.Signal(c.signal)
	select {
	case <-c.done:
	case <-time.After(grace):
		_ = c.cmd.Process.Kill()
		<-c.done
	}
}
