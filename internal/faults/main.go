// Command faults makes a random, concurrent history of sign-ups, confirmations, departures and rights against the real
// functions, breaks databases, services and processes all the while, mends everything, and then checks that every promise
// was kept (-list names them):
//
//	go run ./internal/faults -ops 10000 -seed 7
//
// The seed chooses the operations and the faults again; how they fall together in time it cannot. The exit status is 0 if
// every promise was kept, 1 if not, 2 for a wrong call.
package faults

import "os"

func main() { os.Exit(command(os.Args[1:])) }
