package ratelimit

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"

	"github.com/redis/go-redis/v9"
)

// The reasons that are not failures of this call.
const (
	reasonUnlimited = "unlimited"
	reasonNone      = "none"
	reasonBreaker   = "breaker"
	reasonBlocked   = "blocked"
)

// reason returns a word for a failure of Redis, for logs and metrics.
func reason(err error) string {
	if answered, ok := errors.AsType[redis.Error](err); ok {
		return answerReason(answered)
	}
	_, certificate := errors.AsType[*tls.CertificateVerificationError](err)
	network, isNetwork := errors.AsType[net.Error](err)
	_, noNumber := errors.AsType[*strconv.NumError](err)
	switch {
	case errors.Is(err, errReply), noNumber:
		return "reply"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "refused"
	case certificate:
		return "certificate"
	case errors.Is(err, redis.ErrPoolTimeout):
		return "pool"
	case errors.Is(err, context.DeadlineExceeded), isNetwork && network.Timeout():
		return "timeout"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "reset"
	}
	if _, dns := errors.AsType[*net.DNSError](err); dns {
		return "dns"
	}
	return "connection"
}

// answerReason classifies an error reply by its error code.
func answerReason(err redis.Error) string {
	code, _, _ := strings.Cut(err.Error(), " ")
	switch code {
	case "OOM":
		return "out_of_memory"
	case "READONLY":
		return "read_only"
	case "LOADING":
		return "loading"
	case "WRONGPASS", "NOAUTH":
		return "password"
	case "NOPERM":
		return "permission"
	case "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "NOREPLICAS":
		return "no_primary"
	case "MOVED", "ASK":
		return "moved"
	case "BUSY":
		return "busy"
	}
	if strings.Contains(err.Error(), "unauthenticated") { // a server's reply to a long command without our password
		return "password"
	}
	return "answer"
}
