package main

import (
	"fmt"
	"maps"
	"slices"

	"newsletter/internal/suites/bursts"
	"newsletter/shared/burst"
	"newsletter/shared/config"
	"newsletter/shared/pseudonym"
)

// chosenCrowd is the counter's threshold: the rate limiter's default for a network. No threshold stays within the
// permitted false holds.
const chosenCrowd = 200

func report(key pseudonym.Key) {
	cfg := config.Read[burst.Config](config.FromMap(nil))
	lookalikes := func(h []bursts.SignUp) func(int) bool {
		return bursts.Compare(h, burst.Tuned(), key, []float64{cfg.Similarity}).InBurst(cfg, 0)
	}
	counter := func(h []bursts.SignUp) func(int) bool {
		seen := bursts.CountByNetwork(h)
		return func(i int) bool { return seen[i] >= chosenCrowd }
	}
	for _, s := range []set{tuning, unseen} {
		histories := s.histories()
		fmt.Printf("\n%s (%d histories each, seeds from %d on)\n\n", s.name, s.each, s.first)
		fmt.Print("| attack | detector | precision | recall | natural sign-ups held |\n| --- | --- | --- | --- | --- |\n")
		ours, theirs := judge(histories, lookalikes), judge(histories, counter)
		var all, allTheirs bursts.Result
		for i, style := range s.styles {
			row(style.Name, ours[i], theirs[i])
			all.Add(ours[i])
			allTheirs.Add(theirs[i])
		}
		row("**all**", all, allTheirs)
		fmt.Print("\n| crowd | sign-ups | held by lookalike | in its worst history | by the counter |\n| --- | --- | --- | --- | --- |\n")
		for _, name := range slices.Sorted(maps.Keys(all.Crowds)) {
			crowd := all.Crowds[name]
			fmt.Printf("| %s | %d | %.1f %% | %.1f %% | %.1f %% |\n", name, crowd.All, 100*crowd.Share(), 100*crowd.Worst, 100*allTheirs.Crowds[name].Share())
		}
	}
}

func row(attack string, ours, theirs bursts.Result) {
	for _, d := range []struct {
		name string
		bursts.Result
	}{{"lookalike", ours}, {"counter", theirs}} {
		fmt.Printf("| %s | %s | %.2f | %.2f | %.1f %% |\n", attack, d.name, d.Precision(), d.Recall(), 100*d.Natural().Share())
		attack = ""
	}
}
