package ratelimit

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"newsletter/internal/fixtures/testenv"
	"newsletter/shared/config"
	"newsletter/shared/redistls"
)

// newCluster starts a cluster of one node with all slots, which announces the address of a proxy to its clients.
func newCluster(t *testing.T) *rig {
	t.Helper()
	bus, err := net.Listen("tcp", "127.0.0.1:0") // its default is 10,000 above the port, which there may not be
	if err != nil {
		t.Fatal(err)
	}
	_, busPort, _ := net.SplitHostPort(bus.Addr().String())
	bus.Close()
	r := &rig{t: t, clock: newClock(), server: testenv.RedisServer(t, "--cluster-enabled", "yes", "--tls-cluster", "yes",
		"--cluster-port", busPort, "--cluster-announce-hostname", "localhost", "--cluster-preferred-endpoint-type", "hostname",
		"--dir", t.TempDir())}
	r.admin = patient(t, open(t, r.server.RedisConfig, r.server.Addr))
	r.proxy = newProxy(t, "127.0.0.1:0", r.server.Addr)
	_, port, _ := net.SplitHostPort(r.proxy.Listen)
	r.do("config", "set", "cluster-announce-tls-port", port)
	r.do("cluster", "addslotsrange", 0, 16383)
	ready := func() bool {
		slots := r.admin.ClusterSlots(t.Context()).Val()
		return strings.Contains(r.admin.ClusterInfo(t.Context()).Val(), "cluster_state:ok") &&
			len(slots) == 1 && slots[0].Nodes[0].Addr == "localhost:"+port
	}
	for deadline := time.Now().Add(20 * time.Second); !ready(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("no cluster: %v", r.admin.ClusterSlots(t.Context()).Val())
		}
	}
	return r
}

// TestCluster: a cluster takes the scripts, by either client.
func TestCluster(t *testing.T) {
	t.Parallel()
	r := newCluster(t)
	for name, client := range map[string]redis.UniversalClient{"cluster": r.clusterClient(nil), "single": r.admin} {
		r.use(client)
		r.limiter.budget = patience
		for site := range 40 {
			call := Call{Endpoint: name, Client: netip.AddrFrom4([4]byte{10, byte(site), 0, 1}), Policies: policies(t, "2/1h@host,20/2h@site")}
			d := r.take(call)
			r.want(d, Redis, "")
			r.limiter.Refund(t.Context(), d)
			r.wantCounted(call, 0)
		}
	}
}

// TestAClusterIsAskedOnce: the cluster's client has retries of its own.
func TestAClusterIsAskedOnce(t *testing.T) {
	t.Parallel()
	r := newCluster(t)
	r.use(r.clusterClient(func() { // a second connection works, if there is one
		_ = r.proxy.Toxics.RemoveToxic(context.Background(), "fault")
	}))
	r.limiter.budget = patience
	call := r.victim()
	r.toxic(`{"name":"fault","type":"limit_data","stream":"downstream","attributes":{"bytes":30}}`)
	r.want(r.take(call), Local, "reset")
	r.wantCounted(call, 2)
	r.want(r.take(call), Redis, "")
}

// clusterClient opens a cluster's client and warms it; dialled is called before each connection after that.
func (r *rig) clusterClient(dialled func()) redis.UniversalClient {
	r.t.Helper()
	client := patient(r.t, openURL(r.t, redistls.Config{URL: config.Seal(r.server.URL), CAFile: r.server.CAFile, Cluster: true}))
	cluster, ok := client.(*redis.ClusterClient)
	if !ok {
		r.t.Fatalf("got a %T for a configured cluster", client)
	}
	hook := &dialHook{}
	cluster.OnNewNode(func(node *redis.Client) { node.AddHook(hook) })
	if err := redistls.Warm(r.t.Context(), client); err != nil {
		r.t.Fatal(err)
	}
	hook.before = dialled
	return client
}

// dialHook calls before each time that a connection is opened.
type dialHook struct {
	counter
	before func()
}

func (h *dialHook) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		if h.before != nil {
			h.before()
		}
		return next(ctx, network, addr)
	}
}
