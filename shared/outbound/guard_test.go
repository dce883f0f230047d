package outbound

import (
	"context"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"newsletter/shared/outbox"
)

func TestPublic(t *testing.T) {
	for text, want := range map[string]bool{
		"93.184.215.14": true, "8.8.8.8": true, "172.15.255.255": true, "172.32.0.0": true, "100.63.255.255": true,
		"100.128.0.0": true, "2606:2800:220:1::1": true, "2a00:1450:4001::1": true, "::ffff:8.8.8.8": true,

		"0.0.0.0": false, "0.1.2.3": false, "::": false, // unspecified
		"127.0.0.1": false, "127.255.255.254": false, "::1": false, // loopback
		"10.0.0.1": false, "172.16.0.1": false, "172.31.255.255": false, "192.168.1.1": false, // private
		"fc00::1": false, "fd00:ec2::254": false, // unique local; the metadata service of AWS
		"169.254.169.254": false, "169.254.170.2": false, "fe80::1": false, "fe80::1%eth0": false, "fec0::1": false, // link- and site-local
		"100.64.0.1": false, "100.127.255.255": false, "198.18.0.1": false, // carriers, benchmarks
		"192.0.2.1": false, "198.51.100.1": false, "203.0.113.1": false, "2001:db8::1": false, "3fff::1": false, // documentation
		"224.0.0.1": false, "239.255.255.255": false, "ff02::1": false, "240.0.0.1": false, "255.255.255.255": false, // multicast, reserved
		"::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false, "::ffff:169.254.169.254": false, "::127.0.0.1": false, "::ffff:0:127.0.0.1": false, // IPv4 inside
		"64:ff9b::a9fe:a9fe": false, "64:ff9b:1::a00:1": false, "2002:7f00:1::": false, "2002:a9fe:a9fe::1": false, // NAT64, 6to4
		"2001:0:4136:e378:8000:63bf:3fff:fdd2": false, "5f00::1": false, "100::1": false, // Teredo, segment routing, discard
		"192.0.0.170": false, "192.88.99.1": false,
	} {
		if got := public(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	if public(netip.Addr{}) {
		t.Error("the zero address is public")
	}
}

// names is a DNS server that returns the addresses of a name one after the other, and then the last one.
type names struct {
	mu      sync.Mutex
	answers map[string][]string
	socket  net.PacketConn
}

// resolve starts a DNS server and returns a resolver that uses it.
func resolve(t *testing.T, answers map[string][]string) *net.Resolver {
	t.Helper()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	server := &names{answers: answers, socket: socket}
	go server.serve()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", socket.LocalAddr().String())
	}}
}

func (n *names) serve() {
	buffer := make([]byte, 1500)
	for {
		size, from, err := n.socket.ReadFrom(buffer)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(buffer[:size]) != nil || len(m.Questions) != 1 {
			continue
		}
		m.Additionals, m.Header = nil, dnsmessage.Header{ID: m.ID, Response: true, Authoritative: true}
		m.Answers = n.records(m.Questions[0])
		if answer, err := m.Pack(); err == nil {
			_, _ = n.socket.WriteTo(answer, from)
		}
	}
}

func (n *names) records(q dnsmessage.Question) []dnsmessage.Resource {
	n.mu.Lock()
	defer n.mu.Unlock()
	name := q.Name.String()
	left := n.answers[name]
	if len(left) == 0 {
		return nil
	}
	address := netip.MustParseAddr(left[0])
	var body dnsmessage.ResourceBody
	switch {
	case q.Type == dnsmessage.TypeA && address.Is4():
		body = &dnsmessage.AResource{A: address.As4()}
	case q.Type == dnsmessage.TypeAAAA && address.Is6():
		body = &dnsmessage.AAAAResource{AAAA: address.As16()}
	default:
		return nil
	}
	if len(left) > 1 {
		n.answers[name] = left[1:]
	}
	return []dnsmessage.Resource{{Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 0}, Body: body}}
}

func post(t *testing.T, url string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(http.MethodPost, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var insideFailure = outbox.Failure{Cause: "private_address_blocked", Permanent: true, NeedsOwner: true}

func TestPrivateNamesAreBlocked(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]string{
		"loopback.test.": "127.0.0.1", "loopback6.test.": "::1", "metadata.test.": "169.254.169.254", "metadata6.test.": "fd00:ec2::254",
		"private.test.": "10.1.2.3", "mapped.test.": "::ffff:192.168.0.1", "nat64.test.": "64:ff9b::a00:1", "carrier.test.": "100.64.1.1",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := New(Config{}, resolve(t, map[string][]string{name: {address}}))
			for _, port := range []string{"", ":443", ":8443"} {
				_, err := client.Send(t.Context(), post(t, "https://"+name[:len(name)-1]+port+"/hook"))
				if got := failure(t, err); got != insideFailure {
					t.Errorf("%q: %+v", port, got)
				}
			}
		})
	}
}

// DNS rebinding: the name is public at the first resolution and private at the next.
func TestRebindingIsBlocked(t *testing.T) {
	t.Parallel()
	resolver := resolve(t, map[string][]string{"rebind.test.": {"93.184.215.14", "127.0.0.1"}})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	first, err := resolver.LookupNetIP(ctx, "ip4", "rebind.test")
	if err != nil || len(first) != 1 || !public(first[0]) {
		t.Fatalf("%v %v", first, err)
	}
	client := New(Config{}, resolver)
	if _, err := client.Send(ctx, post(t, "https://rebind.test/hook")); failure(t, err) != insideFailure {
		t.Errorf("%+v", failure(t, err))
	}
}

// The dialer checks ports too, beside the check of the URL.
func TestDialerChecksPorts(t *testing.T) {
	cfg := Config{AllowPrivate: []string{"127.0.0.1:8080", "[::1]:8080", "10.0.0.1:8080"}} // the last is refused by Validate too
	for address, want := range map[string]bool{
		"93.184.215.14:443": true, "93.184.215.14:8443": true, "[2606:2800:220:1::1]:443": true,
		"93.184.215.14:80": false, "93.184.215.14:22": false, "93.184.215.14:6379": false,
		"127.0.0.1:8080": true, "[::1]:8080": true, "127.0.0.1:8081": false, "127.0.0.2:8080": false, "10.0.0.1:8080": false, "127.0.0.1:443": false,
		"name.test:443": false, "": false,
	} {
		if err := cfg.control("tcp", address, nil); (err == nil) != want {
			t.Errorf("%s: %v", address, err)
		}
	}
}
