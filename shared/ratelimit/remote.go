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

// keyLocking is Upstash's flag: without it each script locks the whole database there.
const keyLocking = "#!lua flags=allow-key-locking\n"

// script is one script in both forms. Run sends its hash, and its text to a server that does not know it: it has run
// nothing then, so that is no repetition.
type script struct{ plain, locking *redis.Script }

func newScript(text string) script {
	return script{redis.NewScript(text), redis.NewScript(keyLocking + text)}
}

// slack is how much longer a key lives than its window, so that the server's two clocks cannot cut it short.
const slack = time.Second

// newTake writes policies into the script that decides, which costs the server less than to be sent them with each call (docs/adr/0019).
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
	// clock gives the time in microseconds; 0 stands for the server's own, which all instances share. Tests set it.
	clock func() int64

	refunding script

	mu     sync.Mutex
	taking []takeScript // few: one for each list of policies that is configured
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

// isUpstash reports whether a client's server is Upstash's, which alone knows the flag: all its hosts end alike.
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

// run runs a script in the form of choice. A server that refuses the flag has not run anything, so it is asked again with
// the plain form, which stays the choice.
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

// refusesFlag recognises Redis 7 and Valkey, which know other flags, and servers before it, to whom the line is no Lua.
func refusesFlag(err error) bool {
	_, answered := errors.AsType[redis.Error](err)
	return answered && (strings.Contains(err.Error(), "shebang") || strings.Contains(err.Error(), "compiling script"))
}

// take runs the script once. It is never repeated: a lost reply has counted already.
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

// hostBytes is the host as the scripts write it.
func (p counterKey) hostBytes() []byte { return binary.BigEndian.AppendUint16(nil, p.host) }

var errReply = errors.New("the script's reply has another form")

// read makes the Decision of the script's reply.
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
