package ratelimit

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"

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

// take runs the script once. It is never repeated: a lost reply has counted already.
func (r *remote) take(ctx context.Context, keys []string, call Call) (Decision, error) {
	args := make([]any, 0, 2+2*len(call.Policies))
	args = append(args, r.clock(), call.Cost)
	for _, p := range call.Policies {
		args = append(args, p.Limit, p.Window.Microseconds())
	}
	var reply []any
	err := r.run(func(s scripts) (err error) {
		reply, err = s.take.Run(ctx, r.client, keys, args...).Slice()
		return err
	})
	if err != nil {
		return Decision{}, fmt.Errorf("count in Redis: %w", err)
	}
	return parse(reply, keys, call)
}

func (r *remote) refund(ctx context.Context, d Decision) error {
	return r.run(func(s scripts) error {
		return s.refund.Run(ctx, r.client, d.keys, strconv.FormatInt(d.at, 10), d.cost).Err()
	})
}

var errReply = errors.New("the script's reply has another form")

// parse reads the script's reply.
func parse(reply []any, keys []string, call Call) (Decision, error) {
	if len(reply) != 2+3*len(keys) {
		return Decision{}, errReply
	}
	numbers := make([]int64, len(reply))
	for i, value := range reply {
		switch v := value.(type) {
		case int64:
			numbers[i] = v
		case string:
			n, err := strconv.ParseInt(v, 10, 64)
			if err != nil {
				return Decision{}, errReply
			}
			numbers[i] = n
		default:
			return Decision{}, errReply
		}
	}
	counts := make([]count, len(keys))
	for i := range counts {
		counts[i] = count{remaining: int(numbers[2+3*i]), reset: numbers[3+3*i], refused: numbers[4+3*i] == 1}
	}
	d := decide(numbers[0] == 1, numbers[1], counts, keys, call)
	d.Tier = Redis
	return d, nil
}
