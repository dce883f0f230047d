package main

import (
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/term"
	"github.com/charmbracelet/x/vt"
	"github.com/creack/pty"
	"github.com/rs/zerolog"

	"newsletter/internal/local/devstack"
)

// screen is a program in a pseudo terminal, with an emulator that interprets its output.
type screen struct {
	*testing.T
	cmd    *exec.Cmd
	master *os.File
	tty    *os.File
	before *term.State

	mu       sync.Mutex
	emulator *vt.Emulator
	raw      strings.Builder
}

// onScreen starts the tool in a terminal of 80x24.
func onScreen(t *testing.T, path string, variables []string, args ...string) *screen {
	t.Helper()
	master, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{T: t, master: master, tty: tty, emulator: vt.NewEmulator(80, 24)}
	s.resize(80, 24)
	if s.before, err = term.GetState(tty.Fd()); err != nil {
		t.Fatal(err)
	}
	s.cmd = exec.CommandContext(t.Context(), path, args...)
	s.cmd.Env = append(append(os.Environ(), "TERM=xterm-256color"), variables...)
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = tty, tty, tty
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go s.show()
	go s.answer()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		_ = s.emulator.InputPipe().(io.Closer).Close() // ends answer
		tty.Close()
		master.Close()
	})
	return s
}

// show copies the program's output to the emulator.
func (s *screen) show() {
	buffer := make([]byte, 64<<10)
	for {
		n, err := s.master.Read(buffer)
		if err != nil {
			return
		}
		s.mu.Lock()
		_, _ = s.emulator.Write(buffer[:n])
		s.raw.Write(buffer[:n])
		s.mu.Unlock()
	}
}

// answer copies the emulator's responses to the program.
func (s *screen) answer() {
	buffer := make([]byte, 4096)
	for {
		n, err := s.emulator.Read(buffer)
		if err != nil {
			return
		}
		_, _ = s.master.Write(buffer[:n])
	}
}

func (s *screen) resize(width, height int) {
	s.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.emulator.Resize(width, height)
	if err := pty.Setsize(s.master, &pty.Winsize{Cols: uint16(width), Rows: uint16(height)}); err != nil {
		s.Fatal(err)
	}
}

func (s *screen) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return ansi.Strip(s.emulator.Render())
}

// await waits until the screen shows all texts.
func (s *screen) await(what string, texts ...string) {
	s.Helper()
	s.until(what, func(text string) bool {
		for _, t := range texts {
			if !strings.Contains(text, t) {
				return false
			}
		}
		return true
	})
}

func (s *screen) until(what string, true func(text string) bool) {
	s.Helper()
	for end := time.Now().Add(time.Minute); !true(s.text()); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			s.Fatalf("the screen does not show %s:\n%s", what, s.text())
		}
	}
}

// ends waits for the end of the program, and checks that it restored the terminal.
func (s *screen) ends() {
	s.Helper()
	if err := s.cmd.Wait(); err != nil {
		s.Errorf("the tool ended with %v:\n%s", err, s.text())
	}
	after, err := term.GetState(s.tty.Fd())
	if err != nil || !reflect.DeepEqual(after, s.before) {
		s.Errorf("%v: the terminal's modes are %+v, were %+v", err, after, s.before)
	}
	s.until("the cursor", func(string) bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return !s.emulator.IsAltScreen() && !s.emulator.CursorHidden()
	})
}

var coloured = regexp.MustCompile("\x1b\\[[0-9;]*(3[1-7]|1)m")

// TestMonitor checks that monitor shows the running system, follows the terminal's size, survives the loss of its
// database and restores the terminal.
func TestMonitor(t *testing.T) {
	t.Parallel()
	path, dir := tool(t), t.TempDir()
	dev := startDev(t, path, dir)
	state, err := devstack.ReadState(dir)
	if err != nil {
		t.Fatal(err)
	}
	execute(t, dir, deadLetter)
	for range 6 { // an environment reports a request together with its next one
		response, err := http.Post(dev.url+"/api/newsletter/subscribe", "application/json", strings.NewReader(`{"email":"jane@example.org"}`))
		if err != nil || response.StatusCode != http.StatusAccepted {
			t.Fatalf("%v %v", response, err)
		}
		response.Body.Close()
	}
	c := console{t, path, dir}
	c.expect(0, "dead-lettered", "", "health")

	address, err := url.Parse(state.Functions["health"].Variables["DATABASE_URL"])
	if err != nil {
		t.Fatal(err)
	}
	wire := toxiproxy.NewProxy(toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop()), t.Name(), "127.0.0.1:0", address.Host)
	if err := wire.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(wire.Stop)
	address.Host = wire.Listen
	var variables []string
	for _, function := range state.Functions {
		for name, value := range function.Variables {
			variables = append(variables, name+"="+value)
		}
	}
	variables = append(variables, "DATABASE_URL="+address.String()) // the last one counts

	s := onScreen(t, path, variables, "monitor", "--every", "1s")
	s.await("the system", "newsletter monitor", "WARN  health ran", "outbox WARN", "limiter (redis)", "subscribe POST", "requested", "dead          1", ", 1 dead (", "1 firing", "warning   Deliveries were dead-lettered")
	if text := s.text(); strings.Contains(text, "USUAL") || strings.Contains(text, "password") {
		t.Errorf("unexpected text on 80 columns:\n%s", text)
	}
	s.resize(140, 40)
	s.await("the wider table", "USUAL", "'newsletter outbox list --state dead' shows them; retry or drop them.")
	wire.Stop()
	s.await("the loss", "DATABASE LOST", "The figures below are from", "limiter (redis)")
	if err := wire.Start(); err != nil {
		t.Fatal(err)
	}
	s.until("the end of the loss", func(text string) bool {
		return !strings.Contains(text, "LOST") && strings.Contains(text, "limiter (redis)")
	})
	if _, err := s.master.WriteString("q"); err != nil {
		t.Fatal(err)
	}
	s.ends()
	if !coloured.MatchString(s.raw.String()) {
		t.Error("no colors on a terminal")
	}

	plain := onScreen(t, path, append(variables, "NO_COLOR=1"), "monitor")
	plain.await("the system", "limiter (redis)")
	if _, err := plain.master.WriteString("\x03"); err != nil { // Ctrl-C
		t.Fatal(err)
	}
	plain.ends()
	if found := coloured.FindString(plain.raw.String()); found != "" {
		t.Errorf("%q despite NO_COLOR", found)
	}
	ended := onScreen(t, path, variables, "monitor")
	ended.await("the system", "limiter (redis)")
	if err := ended.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	ended.ends()

	c.expect(0, "limiter (redis)", "", "monitor")
	c.expect(0, "limiter (redis)", "", "monitor", "--once")
	execute(t, dir, `insert into health_samples values (now() + interval '1 hour', 'fail', '{"checks":{"pool":"fail"}}')`)
	c.expect(1, "pool (0.0 ms) FAIL", "", "monitor", "--once")
	for _, wrong := range [][]string{{"monitor", "all"}, {"monitor", "--every", "10ms"}, {"monitor", "--every", "often"}} {
		c.expect(2, "", "", wrong...)
	}
}
