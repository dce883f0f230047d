package ratelimit

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// scriptChoice is which form of the scripts the server takes.
type scriptChoice struct {
	plain, locking scripts
	useLocking     atomic.Bool
}

func newScriptChoice(keyLocking bool) *scriptChoice {
	c := &scriptChoice{plain: plainScripts(), locking: keyLockingScripts()}
	c.useLocking.Store(keyLocking)
	return c
}

// run calls f with the scripts of choice. A server that refuses the flag has not run anything, so f is called again with
// the plain ones, which stay the choice.
func (c *scriptChoice) run(f func(scripts) error) error {
	if c.useLocking.Load() {
		err := f(c.locking)
		if err == nil || !strings.Contains(err.Error(), "Unexpected flag") {
			return err
		}
		c.useLocking.Store(false)
	}
	return f(c.plain)
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
				return Decision{}, fmt.Errorf("%w: %w", errReply, err)
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

// reason puts a failure of Redis into a word for logs and metrics.
func reason(err error) string {
	text := err.Error()
	for prefix, word := range map[string]string{
		"OOM": "out_of_memory", "READONLY": "read_only", "LOADING": "loading", "WRONGPASS": "password", "NOAUTH": "password",
		"WRONGTYPE": "wrong_type", "MASTERDOWN": "no_primary", "CLUSTERDOWN": "no_primary", "BUSY": "busy", "NOPERM": "permission",
	} {
		if strings.HasPrefix(text, prefix) {
			return word
		}
	}
	var network net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case isCertificate(err):
		return "certificate"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &network) && network.Timeout(), strings.Contains(text, "timeout"):
		return "timeout"
	case errors.Is(err, errReply):
		return "reply"
	}
	if strings.Contains(text, "OOM command not allowed") {
		return "out_of_memory"
	}
	if strings.Contains(text, "WRONGTYPE") {
		return "wrong_type"
	}
	if strings.Contains(text, "READONLY") || strings.Contains(text, "read only replica") {
		return "read_only"
	}
	return "connection"
}

func isCertificate(err error) bool {
	_, ok := errors.AsType[*tls.CertificateVerificationError](err)
	return ok || strings.Contains(err.Error(), "x509:")
}
