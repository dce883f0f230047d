// Command load simulates ten thousand users in a hundred seconds. Each makes one request from a network of their own:
// most sign up, some open the page of a link. Requests start on schedule, independently of other requests, and their
// time is measured from the scheduled start.
//
//	go run ./internal/suites/load -users 10000 -every 100s
//
// The functions run as deployed, with their default limits, on this machine alone. A Redis server is required (make
// setup). The last line summarizes the run. The exit status is 0 if every answer was correct, everything that was
// answered with success is in the database, and there were at most 20 connections to PostgreSQL. If PgBouncer is
// installed, it opens no more than that; the number then shows how many were needed.
package main

import (
	"context"
	"flag"
	"os"
	"time"

	"newsletter/internal/suites/fullstack"
)

func main() {
	var p plan
	flag.IntVar(&p.users, "users", 10_000, "how many people there are")
	flag.DurationVar(&p.every, "every", 100*time.Second, "in which each of them makes one request")
	flag.IntVar(&p.environments, "environments", 6, "of each function")
	flag.Parse()
	fullstack.Main("load", p.every+5*time.Minute, func(ctx context.Context) (*fullstack.Report, error) { return run(ctx, p, os.Stderr) })
}
