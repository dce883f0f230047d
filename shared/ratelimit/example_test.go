package ratelimit_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"newsletter/shared/config"
	"newsletter/shared/pseudonym"
	"newsletter/shared/ratelimit"
)

// A route takes a call before it works, and refunds it if it then fails to serve it. There is no Redis here,
// so this process counts alone, with half of each limit.
func Example() {
	var policies ratelimit.Policies
	if err := policies.UnmarshalText([]byte("4/10m@host,200/1h@site")); err != nil {
		fmt.Println(err)
		return
	}
	key, err := pseudonym.NewKey(pseudonym.Config{
		Pepper: config.Seal(base64.StdEncoding.EncodeToString([]byte(strings.Repeat("example.", 4)))),
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	limiter := ratelimit.New(nil, key, func() time.Time { return now })
	ctx := context.Background()
	call := ratelimit.Call{Endpoint: "subscribe", Client: netip.MustParseAddr("192.0.2.1"), Policies: policies}

	limiter.Take(ctx, call)
	now = now.Add(time.Minute)
	second := limiter.Take(ctx, call)
	fmt.Println(second.Allowed, second.Backend, second.Reason, second.Headers().Get("RateLimit"))

	third := limiter.Take(ctx, call)
	fmt.Println(third.Allowed, third.Violated(), third.RetryAfter)

	limiter.Refund(ctx, second) // PostgreSQL was lost, say
	fmt.Println(limiter.Take(ctx, call).Allowed)
	// Output:
	// true local none "host-10m";r=0;t=540, "site-1h";r=98;t=3540
	// false [host-10m] 9m0s
	// true
}

// Policies are written as in the environment, and say what is wrong with them.
func ExamplePolicies() {
	var policies ratelimit.Policies
	fmt.Println(policies.UnmarshalText([]byte("60/10m@host,300/1h@site")), policies)
	fmt.Println(policies.UnmarshalText([]byte("60/10m@planet")))
	// Output:
	// <nil> 60/10m@host,300/1h@site
	// has a scope that is not host or site; policies look like "5/10m@host,200/1h@site": limit, window, and host or site
}
