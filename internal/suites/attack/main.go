// Command attack abuses the sign-up system against strangers. It sends thousands of requests from hundreds of
// networks at two hundred victims, over every route that can cause email, with plus tags and dots, and from
// everywhere at one mailbox, while Redis is emptied and then lost. Some of the victims are subscribers. Meanwhile
// people sign up as usual. When the last email has left, it counts who received what:
//
//	go run ./internal/suites/attack -requests 20000 -networks 500 -victims 200
//
// Then, on a system whose clock they move, a neighbor guesses who subscribes, by a mailbox at the same domain; and for
// a month a bomber floods one person over every route, an alias owner one mailbox in its many spellings, and a saboteur
// makes email bounce and complains, while that person and others want the newsletter.
//
// The functions run as deployed, with their default limits, on this machine alone. A Redis server is required (make
// setup). The last lines summarize the run. The exit status is 0 if no mailbox received more email or received it
// sooner than its budget allows, no answer was a 5xx, the limiter refused the loud networks, at least nine of ten
// people who wanted the newsletter have it, the owner was notified in Slack, the neighbor was right as often as a coin,
// and no email to a proven mailbox waited.
package main

import (
	"context"
	"flag"
	"os"
	"slices"
	"time"

	"newsletter/internal/suites/fullstack"
)

// plan is the size of an attack.
type plan struct {
	requests, networks, victims, people int
	seed                                uint64
	limit                               time.Duration // for everything
	rounds, days                        int           // of the neighbor, and of the other attackers' month
	alert                               time.Duration // the owner must be notified within it, from the first request on; 0 skips the check
}

func main() {
	var p plan
	flag.IntVar(&p.requests, "requests", 20_000, "number of requests")
	flag.IntVar(&p.networks, "networks", 500, "number of /24 networks of the attacker")
	flag.IntVar(&p.victims, "victims", 200, "number of targeted mailboxes")
	flag.IntVar(&p.people, "people", 60, "number of people who sign up meanwhile")
	flag.IntVar(&p.rounds, "rounds", 200, "number of rounds in which the neighbor guesses whether a person is subscribed")
	flag.IntVar(&p.days, "days", 30, "number of days that the bomber, the alias owner and the saboteur attack")
	flag.Uint64Var(&p.seed, "seed", uint64(time.Now().UnixNano()), "seed of the random choice of requests")
	flag.DurationVar(&p.alert, "alert", 5*time.Minute, "time in which the owner must be notified; 0 skips the check")
	flag.DurationVar(&p.limit, "time", 40*time.Minute, "end the attack after this time")
	flag.Parse()
	fullstack.Main("attack", p.limit, func(ctx context.Context) (*fullstack.Report, error) {
		rush, err := run(ctx, p, os.Stderr)
		if err != nil {
			return nil, err
		}
		four, err := runAttackers(ctx, p.rounds, p.days, p.seed, os.Stderr)
		if err != nil {
			return nil, err
		}
		return &fullstack.Report{Problems: slices.Concat(rush.Problems, four.Problems), Text: rush.Text + "\n" + four.Text}, nil
	})
}
