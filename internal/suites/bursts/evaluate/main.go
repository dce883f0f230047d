// Command evaluate measures how well sign-up bursts are detected. `tune` chooses weights and thresholds on one set of
// attacks. `report` evaluates the chosen ones on that set and on attacks and seeds that were not used for tuning.
package main

import (
	"fmt"
	"os"
	"strings"

	"newsletter/internal/suites/bursts"
	"newsletter/shared/config"
	"newsletter/shared/pseudonym"
)

// set is a set of attacks and of histories to hide them in. Each style has its own seeds, starting at first.
type set struct {
	name   string
	styles []bursts.Style
	first  uint64
	each   int // a multiple of six, so that all kinds of sites are equally common with each style
}

var (
	tuning = set{"Tuned on", bursts.Tuning, 1, 6}
	unseen = set{"Never tuned on", bursts.Unseen, 1001, 12}
)

func (s set) histories() [][][]bursts.SignUp {
	all := make([][][]bursts.SignUp, len(s.styles))
	seed := s.first
	for i, style := range s.styles {
		for range s.each {
			all[i] = append(all[i], bursts.History(style, seed))
			seed++
		}
	}
	return all
}

func main() {
	key, err := pseudonym.NewKey(pseudonym.Config{Pepper: config.Seal(strings.Repeat("A", 43) + "=")})
	if err != nil {
		panic(err)
	}
	switch {
	case len(os.Args) == 2 && os.Args[1] == "tune":
		tune(key)
	case len(os.Args) == 2 && os.Args[1] == "report":
		report(key)
	default:
		fmt.Fprintln(os.Stderr, "usage: evaluate tune|report")
		os.Exit(2)
	}
}
