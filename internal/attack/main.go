// Command attack tries to use the sign-up system against strangers: thousands of requests from hundreds of networks at two
// hundred victims, over every route that can cause mail, with plus tags and dots, one mailbox from everywhere at once, while
// Redis is emptied and then lost. Some of the victims are subscribers. In between, people sign up as they always do. When
// the last mail has left, it counts what reached whom:
//
//	go run ./internal/attack -requests 20000 -networks 500 -victims 200
//
// The functions run as deployed, with their default limits, on this machine alone; it needs a Redis server (make setup).
// The last line has the figures; the exit status is 0 if no mailbox got more mail than the caps allow or sooner than they
// allow, no answer was a 5xx, the limiter refused the loud networks, at least nine of ten people who wanted the newsletter
// have it, and the owner was told in Slack.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

// plan is the size of an attack.
type plan struct {
	requests, networks, victims, people int
	seed                                uint64
	limit                               time.Duration // for everything
	alert                               time.Duration // in which the owner must be told, from the first request on; 0 if nobody looks
}

func main() {
	var p plan
	flag.IntVar(&p.requests, "requests", 20_000, "how many requests the attacker sends")
	flag.IntVar(&p.networks, "networks", 500, "from how many /24 networks")
	flag.IntVar(&p.victims, "victims", 200, "at how many mailboxes")
	flag.IntVar(&p.people, "people", 60, "how many people sign up meanwhile")
	flag.Uint64Var(&p.seed, "seed", uint64(time.Now().UnixNano()), "chooses the requests; printed")
	flag.DurationVar(&p.alert, "alert", 5*time.Minute, "within which the owner must be told; 0 does not look")
	flag.DurationVar(&p.limit, "time", 14*time.Minute, "when it gives up")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, p.limit)
	defer cancel()
	report, err := run(ctx, p, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "attack:", err)
		os.Exit(2)
	}
	for _, problem := range report.problems {
		fmt.Println("✗", problem)
	}
	fmt.Println(report)
	if len(report.problems) > 0 {
		os.Exit(1)
	}
}
