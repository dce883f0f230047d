package ratelimit

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed take.lua
var takeScript string

//go:embed refund.lua
var refundScript string

// scripts are the two scripts in one form. Run sends a script's hash, and its text to a server that does not know it: it
// has run nothing then, so that is no repetition.
type scripts struct{ take, refund *redis.Script }

// keyLocking is Upstash's flag: without it each script locks the whole database there.
const keyLocking = "#!lua flags=allow-key-locking\n"

func newScripts(shebang string) scripts {
	return scripts{redis.NewScript(shebang + takeScript), redis.NewScript(shebang + refundScript)}
}

// remote counts in Redis. It is safe for concurrent use.
type remote struct {
	client         redis.UniversalClient
	plain, locking scripts
	useLocking     atomic.Bool
	// clock gives the time in microseconds; 0 stands for the server's own, which all instances share. Tests set it.
	clock func() int64
}

func newRemote(client redis.UniversalClient, keyLockingWanted bool) *remote {
	r := &remote{client: client, plain: newScripts(""), locking: newScripts(keyLocking), clock: func() int64 { return 0 }}
	r.useLocking.Store(keyLockingWanted)
	return r
}

// run calls f with the scripts of choice. A server that refuses the flag has not run anything, so f is called again with
// the plain ones, which stay the choice.
func (r *remote) run(f func(scripts) error) error {
	if r.useLocking.Load() {
		err := f(r.locking)
		if !refusesFlag(err) {
			return err
		}
		r.useLocking.Store(false)
	}
	return f(r.plain)
}

// refusesFlag recognises Redis 7 and Valkey, which know other flags, and servers before it, to whom the line is no Lua.
func refusesFlag(err error) bool {
	_, answered := errors.AsType[redis.Error](err)
	return answered && (strings.Contains(err.Error(), "shebang") || strings.Contains(err.Error(), "compiling script"))
}

// slack is how much longer a key lives than its window, so that the server's two clocks cannot cut it short.
const slack = time.Second

// take runs the script once. It is never repeated: a lost reply has counted already.
func (r *remote) take(ctx context.Context, keys []string, call Call) (Decision, error) {
	args := make([]any, 0, 2+3*len(call.Policies))
	args = append(args, r.clock(), call.Cost)
	for _, p := range call.Policies {
		args = append(args, p.Limit, p.Window.Microseconds(), (p.Window + slack).Milliseconds())
	}
	var reply []int64
	err := r.run(func(s scripts) (err error) {
		reply, err = s.take.Run(ctx, r.client, keys, args...).Int64Slice()
		return err
	})
	if err != nil {
		return Decision{}, fmt.Errorf("count in Redis: %w", err)
	}
	return read(reply, keys, call)
}

func (r *remote) refund(ctx context.Context, d Decision) error {
	return r.run(func(s scripts) error {
		return s.refund.Run(ctx, r.client, d.keys, strconv.FormatInt(d.at, 10), d.cost).Err()
	})
}

var errReply = errors.New("the script's reply has another form")

// read makes the Decision of the script's reply.
func read(reply []int64, keys []string, call Call) (Decision, error) {
	if len(reply) < 2+2*len(keys) {
		return Decision{}, errReply
	}
	allowed := reply[0] == 1
	counts := make([]count, len(keys))
	for i, p := range call.Policies {
		used, reset := int(reply[2+2*i]), reply[3+2*i]
		counts[i] = count{remaining: max(0, p.Limit-used), reset: reset, refused: used+call.Cost > p.Limit}
		if allowed {
			counts[i].remaining -= call.Cost
			if used == 0 {
				counts[i].reset = p.Window.Microseconds()
			}
		}
	}
	d := decide(allowed, reply[1], counts, keys, call)
	d.Tier = Redis
	return d, nil
}
