// Command evaluate measures how well sign-up waves are found: `tune` chooses weights and thresholds on one set of attacks,
// `report` judges the chosen ones, on that set and on attacks and seeds that were never tuned on.
package main

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"sync"

	"newsletter/internal/waves"
	"newsletter/shared/config"
	"newsletter/shared/lookalike"
	"newsletter/shared/pseudonym"
)

// The seeds of the histories: those of the report were never looked at while tuning.
var (
	tuningSeeds = []uint64{1, 2, 3, 4, 5, 6}
	unseenSeeds = []uint64{101, 102, 103, 104, 105, 106, 107, 108, 109, 110}
)

// maxFalse is how much of the natural traffic a detector may hold on the tuning set: a false hold costs a person.
const maxFalse = 0.02

var (
	similarities = []float64{0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9}
	neighbours   = []int{3, 5, 8, 12, 16, 20, 30, 40, 50}
	crowds       = []int{3, 5, 8, 12, 16, 20, 30, 40, 60, 80, 120}
)

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

// mean is the mean F1 of the styles, or 0 if too much of the natural traffic is held.
func mean(results []waves.Result) float64 {
	sum, all := 0.0, waves.Result{}
	for _, r := range results {
		sum += r.F1()
		all = all.Add(r)
	}
	if all.False() > maxFalse {
		return 0
	}
	return sum / float64(len(results))
}

// candidate is a choice and how good it is.
type candidate struct {
	weights    lookalike.Weights
	similarity float64
	neighbours int
	score      float64
}

func tune(key pseudonym.Key) {
	histories := make([][][]waves.SignUp, len(waves.Tuning))
	for i, style := range waves.Tuning {
		for _, seed := range tuningSeeds {
			histories[i] = append(histories[i], waves.History(style, seed))
		}
	}
	best := candidate{}
	for _, m := range crowds {
		results := make([]waves.Result, len(histories))
		for i, list := range histories {
			for _, h := range list {
				seen := waves.Crowds(h)
				results[i] = results[i].Add(waves.Score(h, func(i int) bool { return seen[i] >= m }))
			}
		}
		fmt.Printf("counter %3d: %.3f\n", m, mean(results))
	}
	random := rand.New(rand.NewPCG(42, 42)) //nolint:gosec // repeatable
	anything := func() float64 { return float64(random.IntN(7)) / 5 }
	near := func(v float64) float64 { return max(0, v+float64(random.IntN(5)-2)/10) }
	for n := range 160 {
		w := lookalike.Weights{Shape: anything(), Grams: anything(), Domain: anything(), Network: anything(), Agent: anything(), Source: anything() / 2}
		if b := best.weights; n >= 80 { // the second half looks around the best of the first
			w = lookalike.Weights{Shape: near(b.Shape), Grams: near(b.Grams), Domain: near(b.Domain), Network: near(b.Network), Agent: near(b.Agent), Source: near(b.Source)}
		}
		if c := choose(histories, w, key); c.score > best.score {
			best = c
			fmt.Printf("%.3f %+v similarity %.2f neighbours %d\n", c.score, c.weights, c.similarity, c.neighbours)
		}
	}
}

// choose finds the best thresholds for some weights.
func choose(histories [][][]waves.SignUp, w lookalike.Weights, key pseudonym.Key) candidate {
	results := map[[2]int][]waves.Result{}
	var mu sync.Mutex
	for s := range similarities {
		for n := range neighbours {
			results[[2]int{s, n}] = make([]waves.Result, len(histories))
		}
	}
	var all sync.WaitGroup
	for i, list := range histories {
		for _, h := range list {
			all.Go(func() {
				alike := waves.Compare(h, w, key, similarities)
				mu.Lock()
				defer mu.Unlock()
				for s := range similarities {
					for n, least := range neighbours {
						r := waves.Score(h, func(i int) bool { return alike[i][s] >= least })
						results[[2]int{s, n}][i] = results[[2]int{s, n}][i].Add(r)
					}
				}
			})
		}
	}
	all.Wait()
	best := candidate{weights: w}
	for k, r := range results {
		if score := mean(r); score > best.score {
			best.similarity, best.neighbours, best.score = similarities[k[0]], neighbours[k[1]], score
		}
	}
	return best
}

func report(key pseudonym.Key) {
	cfg := lookalike.ReadConfig(config.FromMap(nil))
	for _, set := range []struct {
		name   string
		styles []waves.Style
		seeds  []uint64
	}{{"Tuned on", waves.Tuning, tuningSeeds}, {"Never tuned on", waves.Unseen, unseenSeeds}} {
		fmt.Printf("\n%s (%d histories each)\n\n| attack | detector | precision | recall | natural sign-ups held |\n| --- | --- | --- | --- | --- |\n", set.name, len(set.seeds))
		var lookalikes, counters waves.Result
		for _, style := range set.styles {
			var l, c waves.Result
			for _, seed := range set.seeds {
				h := waves.History(style, seed)
				alike, seen := waves.Compare(h, lookalike.Chosen(), key, []float64{cfg.Similarity}), waves.Crowds(h)
				l = l.Add(waves.Score(h, func(i int) bool { return alike[i][0] >= cfg.Neighbours }))
				c = c.Add(waves.Score(h, func(i int) bool { return seen[i] >= chosenCrowd }))
			}
			row(style.Name, "lookalike", l)
			row("", "counter", c)
			lookalikes, counters = lookalikes.Add(l), counters.Add(c)
		}
		row("**all**", "lookalike", lookalikes)
		row("", "counter", counters)
	}
}

// chosenCrowd is the counter's threshold, tuned on the same set by the same measure.
const chosenCrowd = 60

func row(attack, detector string, r waves.Result) {
	fmt.Printf("| %s | %s | %.2f | %.2f | %.1f %% |\n", attack, detector, r.Precision(), r.Recall(), 100*r.False())
}
