package ratelimit

import (
	"context"
	_ "embed"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed take.lua
var takeText string

//go:embed refund.lua
var refundText string

// keyLocking is Upstash's flag. Without it, each script locks the whole database there.
const keyLocking = "#!lua flags=allow-key-locking\n"

// script is a script in both forms. It is run by its hash. A server that does not know the hash receives the text; it
// has
// run nothing before, so that is no repetition.
type script struct{ plain, locking *redis.Script }

func newScript(text string) script {
	return script{redis.NewScript(text), redis.NewScript(keyLocking + text)}
}

// slack is how much longer a key lives than its window, so that the server's two clocks cannot expire it early.
const slack = time.Second

// newTake inserts policies into the script. That costs the server less than receiving them with each call
// (docs/adr/0019).
func newTake(ps Policies) script {
	var text strings.Builder
	text.WriteString("local policies = {")
	for _, q := range ps.quotas() {
		fmt.Fprintf(&text, "{%d, %d, %t}, ", q.limit, q.length, q.hostOnly)
	}
	longest := ps.longest()
	fmt.Fprintf(&text, "}\nlocal longest, lifetime = %d, %d\n", longest.Microseconds(), (longest + slack).Milliseconds())
	text.WriteString(takeText)
	return newScript(text.String())
}

// remote counts in Redis. It is safe for concurrent use.
type remote struct {
	client     redis.UniversalClient
	useLocking atomic.Bool
	// clock returns the time in microseconds, or 0 for the server's own clock, which all instances share. Tests set it.
	clock func() int64

	refunding script

	mu     sync.Mutex
	taking []takeScript // few: one per configured list of policies
}

type takeScript struct {
	policies Policies
	script   script
}

func newRemote(client redis.UniversalClient) *remote {
	r := &remote{client: client, clock: func() int64 { return 0 }, refunding: newScript(refundText)}
	r.useLocking.Store(isUpstash(client))
	return r
}

// isUpstash reports whether a client's server is Upstash's, by its host name. Only Upstash knows the flag.
func isUpstash(client redis.UniversalClient) bool {
	single, ok := client.(*redis.Client)
	if !ok {
		return false
	}
	host, _, _ := net.SplitHostPort(single.Options().Addr)
	return strings.HasSuffix(host, ".upstash.io")
}

func (r *remote) takeScript(ps Policies) script {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, known := range r.taking {
		if slices.Equal(known.policies, ps) {
			return known.script
		}
	}
	s := newTake(ps)
	r.taking = append(r.taking, takeScript{slices.Clone(ps), s})
	return s
}

// run runs a script in the chosen form. A server that refuses the flag has not run the script, so run repeats it in the
// plain form and chooses that from then on.
func (r *remote) run(ctx context.Context, s script, log string, args ...any) *redis.Cmd {
	if r.useLocking.Load() {
		reply := s.locking.Run(ctx, r.client, []string{log}, args...)
		if !refusesFlag(reply.Err()) {
			return reply
		}
		r.useLocking.Store(false)
	}
	return s.plain.Run(ctx, r.client, []string{log}, args...)
}

// refusesFlag recognizes Redis 7 and Valkey, which know other flags, and older servers, for which the line is invalid
// Lua.
func refusesFlag(err error) bool {
	_, answered := errors.AsType[redis.Error](err)
	return answered && (strings.Contains(err.Error(), "shebang") || strings.Contains(err.Error(), "compiling script"))
}

// take runs the script once and never repeats it: a lost reply has already counted.
func (r *remote) take(ctx context.Context, where counterKey, call Call) (Decision, error) {
	reply, err := r.run(ctx, r.takeScript(call.Policies), where.log, r.clock(), where.hostBytes(), call.Cost).Int64Slice()
	if err != nil {
		return Decision{}, fmt.Errorf("count in Redis: %w", err)
	}
	return read(reply, where, call)
}

func (r *remote) refund(ctx context.Context, d Decision) error {
	entry := binary.BigEndian.AppendUint64(nil, uint64(d.at))[1:] //nolint:gosec // a time after 1970
	entry = append(entry, d.counter.hostBytes()...)
	return r.run(ctx, r.refunding, d.counter.log, entry, d.cost).Err()
}

// hostBytes returns the host in the scripts' form.
func (p counterKey) hostBytes() []byte { return binary.BigEndian.AppendUint16(nil, p.host) }

var errReply = errors.New("unexpected reply of the script")

// read returns the Decision for the script's reply.
func read(reply []int64, where counterKey, call Call) (Decision, error) {
	quotas := call.Policies.quotas()
	if len(reply) != 2+2*len(quotas) {
		return Decision{}, errReply
	}
	allowed := reply[0] == 1
	counts := make([]count, len(quotas))
	for i, q := range quotas {
		counts[i] = q.count(int(reply[2+2*i]), reply[3+2*i], call.Cost, allowed)
	}
	d := decide(allowed, reply[1], counts, where, call)
	d.Backend = Redis
	return d, nil
}
