package ratelimit

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Headers returns the two fields of draft-ietf-httpapi-ratelimit-headers and, for a refused call, Retry-After. They
// show the full policies whichever tier decided.
func (d Decision) Headers() http.Header {
	h := make(http.Header)
	if len(d.States) == 0 {
		return h
	}
	var policies, states []string
	for _, s := range d.States {
		policies = append(policies, fmt.Sprintf(`%q;q=%d;w=%d`, s.Policy.Name(), s.Policy.Limit, wholeSeconds(s.Policy.Window)))
		states = append(states, fmt.Sprintf(`%q;r=%d;t=%d`, s.Policy.Name(), s.Remaining, wholeSeconds(s.Reset)))
	}
	h.Set("RateLimit-Policy", strings.Join(policies, ", "))
	h.Set("RateLimit", strings.Join(states, ", "))
	if !d.Allowed {
		h.Set("Retry-After", strconv.Itoa(wholeSeconds(jitter(d.RetryAfter))))
	}
	return h
}

// jitter adds up to 3 %, so that refused clients do not all return at once.
func jitter(d time.Duration) time.Duration {
	return d + time.Duration(rand.Float64()*0.03*float64(d))
}

// wholeSeconds rounds up, so that a client that waits this long is not too early.
func wholeSeconds(d time.Duration) int { return int(math.Ceil(d.Seconds())) }
