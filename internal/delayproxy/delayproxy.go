// Package delayproxy is a TCP proxy that adds latency and counts network round trips exactly.
//
// A round trip is a change of direction: bytes from the client after bytes from the server, or after the connection
// was opened. The added latency separates the bursts, so that two writes that travel together count once and an early
// reply cannot hide between them. The traffic may be TLS; nothing is decoded.
package delayproxy

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Proxy forwards connections from its own address to a target. It is safe for concurrent use.
type Proxy struct {
	listener net.Listener
	target   string
	delay    time.Duration

	roundTrips  atomic.Int64
	connections atomic.Int64
	wg          sync.WaitGroup
	stop        context.CancelFunc
	ctx         context.Context
}

// Start opens a free port of 127.0.0.1 and forwards to target, a "host:port", with delay added in each
// direction. The caller closes the Proxy.
func Start(target string, delay time.Duration) (*Proxy, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	p := &Proxy{listener: listener, target: target, delay: delay, ctx: ctx, stop: stop}
	p.wg.Go(p.accept)
	return p, nil
}

// Addr returns the "host:port" to connect to instead of the target.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// RoundTrips returns the number of round trips that all connections have begun.
func (p *Proxy) RoundTrips() int { return int(p.roundTrips.Load()) }

// Connections returns the number of connections that clients have opened.
func (p *Proxy) Connections() int { return int(p.connections.Load()) }

// Close stops accepting and closes all connections, and waits for their goroutines.
func (p *Proxy) Close() error {
	p.stop()
	err := p.listener.Close()
	p.wg.Wait()
	return err
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.connections.Add(1)
		p.wg.Go(func() { p.serve(client) })
	}
}

func (p *Proxy) serve(client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer server.Close()
	defer context.AfterFunc(p.ctx, func() { client.Close(); server.Close() })()

	var clientsTurn atomic.Bool
	clientsTurn.Store(true)
	var pipes sync.WaitGroup
	pipes.Go(func() {
		p.forward(server, client, func() {
			if clientsTurn.Swap(false) {
				p.roundTrips.Add(1)
			}
		})
	})
	pipes.Go(func() { p.forward(client, server, func() { clientsTurn.Store(true) }) })
	pipes.Wait()
}

// chunk is a part of the stream and the time when it may be forwarded.
type chunk struct {
	data []byte
	due  time.Time
}

// forward copies from src to dst and delays each chunk by the same latency, so that it does not limit throughput. It
// calls arrived when a chunk reaches the other side, which can then answer it.
func (p *Proxy) forward(dst, src net.Conn, arrived func()) {
	chunks := make(chan chunk, 1024)
	go func() {
		defer close(chunks)
		for {
			buffer := make([]byte, 32<<10)
			n, err := src.Read(buffer)
			if n > 0 {
				chunks <- chunk{data: buffer[:n], due: time.Now().Add(p.delay)}
			}
			if err != nil {
				return
			}
		}
	}()
	for c := range chunks {
		time.Sleep(time.Until(c.due))
		arrived()
		if _, err := dst.Write(c.data); err != nil {
			src.Close()
			for range chunks { // let the reader end
			}
			return
		}
	}
	if closer, ok := dst.(*net.TCPConn); ok {
		if err := closer.CloseWrite(); err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.EOF) {
			dst.Close()
		}
	}
}
