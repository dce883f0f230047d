package delayproxy

import (
	"bufio"
	"net"
	"testing"
	"time"
)

// echo answers each line with one line.
func echo(t *testing.T) string {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				lines := bufio.NewReader(conn)
				for {
					line, err := lines.ReadString('\n')
					if err != nil {
						return
					}
					if _, err := conn.Write([]byte(line)); err != nil {
						return
					}
				}
			}()
		}
	}()
	return listener.Addr().String()
}

func TestRoundTripsCountsBurstsNotWrites(t *testing.T) {
	p, err := Start(echo(t), 20*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	conn, err := net.Dial("tcp", p.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	replies := bufio.NewReader(conn)
	for trip := 1; trip <= 3; trip++ {
		for range 2 { // two writes that travel together are one round trip
			if _, err := conn.Write([]byte("hello\n")); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 {
			if line, err := replies.ReadString('\n'); err != nil || line != "hello\n" {
				t.Fatalf("reply %q: %v", line, err)
			}
		}
		if got := p.RoundTrips(); got != trip {
			t.Fatalf("after %d exchanges: %d round trips", trip, got)
		}
	}
	if p.Connections() != 1 {
		t.Fatalf("%d connections opened, want 1", p.Connections())
	}
}
