// Command load lets ten thousand people use the system as fast as they would: each from a network of their own makes one
// request in a hundred seconds, most of them to sign up, some to look at the page of a link. Nobody waits for anybody: a
// request leaves when its time has come, and its time is counted from then.
//
//	go run ./internal/load -users 10000 -every 100s
//
// The functions run as deployed, with their default limits, on this machine alone; it needs a Redis server (make setup).
// The last line has the figures; the exit status is 0 if every answer was the right one, nothing that was answered with
// success is missing in the database, and there were no more than 20 connections to PostgreSQL. Where PgBouncer is
// installed it opens no more than that: then the figure says how many of them were needed.
package load

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

func main() {
	var p plan
	flag.IntVar(&p.users, "users", 10_000, "how many people there are")
	flag.DurationVar(&p.every, "every", 100*time.Second, "in which each of them makes one request")
	flag.IntVar(&p.environments, "environments", 6, "of each function")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, p.every+5*time.Minute)
	defer cancel()
	report, err := run(ctx, p, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
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
