// Package weaktls is servers that offer TLS as nobody should use it any more, behind a certificate that is in order: all that
// a client of theirs can object to is the protocol.
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

// patience is far above what a busy machine needs.
const patience = 20 * time.Second

// offers are what a server can agree to, and what it says of a client that does not.
var offers = map[string]struct {
	config  *tls.Config
	refused string // empty: the client must take it, or the others would show nothing
}{
	"TLS 1.1":            {&tls.Config{MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, "tls: client offered only unsupported versions"},
	"no forward secrecy": {&tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_128_GCM_SHA256}}, "tls: no cipher suite supported by both client and server"},
	"TLS 1.2":            {&tls.Config{MaxVersion: tls.VersionTLS12}, ""},
	"TLS 1.3":            {&tls.Config{MinVersion: tls.VersionTLS13}, ""},
}

// Check wants a client to take TLS 1.2 and 1.3 alone, and no key exchange without forward secrecy. connect lets the client
// come to an address, whose certificate is to be checked against caFile; what it gets to hear after the handshake is nothing.
// greet is what the protocol says before the handshake; nil for nothing.
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
			// A client in a hurry may hang up on a busy machine before anything is settled.
			for deadline := time.Now().Add(patience); ; {
				connect(listener.Addr().String(), files.CA)
				select {
				case err = <-ends:
				case <-time.After(patience):
					t.Fatal("the client does not come")
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

// serve tells how each handshake ended, and hangs up.
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
		default: // a client that tries again
		}
		conn.Close()
	}
}

// AcceptSSLRequest takes PostgreSQL's request for TLS.
func AcceptSSLRequest(conn net.Conn) error {
	request := make([]byte, 8) // SSLRequest (PostgreSQL protocol, "SSL Session Encryption")
	if _, err := conn.Read(request); err != nil {
		return err
	}
	if string(request) != "\x00\x00\x00\x08\x04\xd2\x16\x2f" {
		return errors.New("the client does not ask for TLS")
	}
	_, err := conn.Write([]byte("S"))
	return err
}
