// Command faults injects faults. It runs a random, concurrent history of sign-ups, confirmations, unsubscribes and
// privacy requests against the real functions while it breaks databases, services and processes. Then it repairs
// everything and checks the invariants, which -list prints:
//
//	go run ./internal/suites/faults -ops 10000 -seed 7
//
// The seed reproduces the choice of operations and faults, but not their timing. The exit status is 0 if every
// invariant holds, 1 if not, 2 for invalid arguments.
package main

import "os"

func main() { os.Exit(command(os.Args[1:])) }
