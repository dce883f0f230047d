// Package weaktls runs servers with weak TLS and a valid certificate, so that the protocol is all that a client can
// refuse.
package weaktls

import (
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"newsletter/internal/pki"
)

// patience is far longer than a busy machine needs.
const patience = 20 * time.Second

// offers are what a server accepts, and its error for a client that does not agree.
var offers = map[string]struct {
	config  *tls.Config
	refused string // empty: the client must accept, or the other offers would prove nothing
}{
	"TLS 1.1":            {&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, "tls: client offered only unsupported versions"},
	"no forward secrecy": {&tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}}, "tls: no cipher suite supported by both client and server"},
	"TLS 1.2":            {&tls.Config{MaxVersion: tls.VersionTLS12}, ""},
	"TLS 1.3":            {&tls.Config{MinVersion: tls.VersionTLS13}, ""},
}

// Check requires a client to accept only TLS 1.2 and 1.3, with forward secrecy. connect connects the client to an
// address, whose certificate it verifies against caFile; the server sends nothing after the handshake. greet is the
// protocol's exchange before the handshake; nil for none.
func Check(t *testing.T, greet func(net.Conn) error, connect func(addr, caFile string)) {
	t.Helper()
	files, err := pki.Ensure(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		t.Fatal(err)
	}
	for name, offer := range offers {
		t.Run(name, func(t *testing.T) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
			config, ends := offer.config.Clone(), make(chan error, 16)
			config.Certificates = []tls.Certificate{pair}
			go serve(listener, config, greet, ends)
			// An impatient client may hang up on a busy machine before the handshake has a result.
			for deadline := time.Now().Add(patience); ; {
				connect(listener.Addr().String(), files.CA)
				select {
				case err = <-ends:
				case <-time.After(patience):
					t.Fatal("the client does not connect")
				}
				if err == nil || strings.Contains(err.Error(), "tls: ") || time.Now().After(deadline) {
					break
				}
			}
			if (err == nil) != (offer.refused == "") || err != nil && !strings.Contains(err.Error(), offer.refused) {
				t.Errorf("the handshake ends with %v", err)
			}
		})
	}
}

// serve reports how each handshake ended, and hangs up.
func serve(listener net.Listener, config *tls.Config, greet func(net.Conn) error, ends chan<- error) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		_ = conn.SetDeadline(time.Now().Add(patience))
		if greet != nil {
			err = greet(conn)
		}
		if err == nil {
			err = tls.Server(conn, config).Handshake()
		}
		select {
		case ends <- err:
		default: // the client tries again
		}
		conn.Close()
	}
}

// AcceptSSLRequest accepts PostgreSQL's request for TLS.
func AcceptSSLRequest(conn net.Conn) error {
	request := make([]byte, 8) // SSLRequest (PostgreSQL protocol, "SSL Session Encryption")
	if _, err := conn.Read(request); err != nil {
		return err
	}
	if string(request) != "\x00\x00\x00\x08\x04\xd2\x16\x2f" {
		return errors.New("the client does not request TLS")
	}
	_, err := conn.Write([]byte("S"))
	return err
}
