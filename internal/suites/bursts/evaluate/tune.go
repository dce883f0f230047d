package main

import (
	"fmt"
	"math/rand/v2"
	"sync"

	"newsletter/internal/suites/bursts"
	"newsletter/shared/burst"
	"newsletter/shared/pseudonym"
)

// The share of natural traffic that a detector may hold on the tuning set, of all and of any one crowd: a false hold
// costs a subscriber.
const (
	maxFalse = 0.003
	maxCrowd = 0.01
)

var (
	similarities = []float64{0.35, 0.4, 0.45, 0.5, 0.55}
	shares       = []float64{10, 15, 20, 30, 40}
	neighbours   = []int{15, 25}
	crowds       = []int{20, 30, 40, 60, 80, 100, 120, 150, 200, 300}
)

// candidate is a choice of parameters with its score.
type candidate struct {
	weights burst.Weights
	config  burst.Config
	score   float64
}

// tune tries random weights, then some near the best, each with all thresholds.
func tune(key pseudonym.Key) {
	histories := tuning.histories()
	for _, m := range crowds {
		fmt.Printf("counter %3d: %.3f\n", m, mean(judge(histories, func(h []bursts.SignUp) func(int) bool {
			seen := bursts.CountByNetwork(h)
			return func(i int) bool { return seen[i] >= m }
		})))
	}
	random := rand.New(rand.NewPCG(42, 42))
	anything := func() float64 { return float64(random.IntN(6)) }
	near := func(v float64) float64 { return max(0, v*(0.6+0.8*random.Float64())+0.02*float64(random.IntN(3)-1)) }
	best := candidate{weights: burst.Tuned()}
	for n := range 400 {
		w := burst.Weights{Shape: anything(), Trigrams: anything(), Domain: anything(), Network: anything(), Agent: anything(), Source: anything()}
		if b := best.weights; n >= 100 {
			w = burst.Weights{Shape: near(b.Shape), Trigrams: near(b.Trigrams), Domain: near(b.Domain), Network: near(b.Network), Agent: near(b.Agent), Source: near(b.Source)}
		}
		if n == 0 {
			w = best.weights
		}
		if c := choose(histories, whole(w), key); c.score > best.score {
			best = c
			fmt.Printf("%3d %.3f %.2f similarity %.2f share %.0f neighbors %d\n", n, c.score, c.weights, c.config.Similarity, c.config.SharePercent, c.config.Neighbors)
		}
	}
}

// whole scales weights to the sum 1.
func whole(w burst.Weights) burst.Weights {
	sum := w.Shape + w.Trigrams + w.Domain + w.Network + w.Agent + w.Source
	return burst.Weights{Shape: w.Shape / sum, Trigrams: w.Trigrams / sum, Domain: w.Domain / sum, Network: w.Network / sum, Agent: w.Agent / sum, Source: w.Source / sum}
}

// judge runs a detector over all histories.
func judge(histories [][][]bursts.SignUp, detector func([]bursts.SignUp) func(i int) bool) []bursts.Result {
	results := make([]bursts.Result, len(histories))
	for i, list := range histories {
		for _, h := range list {
			results[i].Add(bursts.Score(h, detector(h)))
		}
	}
	return results
}

// mean returns the mean F1 of the styles, or 0 if too much natural traffic is held.
func mean(results []bursts.Result) float64 {
	sum, all := 0.0, bursts.Result{}
	for _, r := range results {
		sum += r.F1()
		all.Add(r)
	}
	if all.Natural().Share() > maxFalse {
		return 0
	}
	for _, crowd := range all.Crowds {
		if crowd.Share() > maxCrowd {
			return 0
		}
	}
	return sum / float64(len(results))
}

// choose finds the best thresholds for given weights.
func choose(histories [][][]bursts.SignUp, w burst.Weights, key pseudonym.Key) candidate {
	all := make([][]bursts.Similarities, len(histories))
	var counting sync.WaitGroup
	for i, list := range histories {
		all[i] = make([]bursts.Similarities, len(list))
		for j, h := range list {
			counting.Go(func() { all[i][j] = bursts.Compare(h, w, key, similarities) })
		}
	}
	counting.Wait()
	best := candidate{weights: w}
	for s, similarity := range similarities {
		for _, share := range shares {
			for _, least := range neighbours {
				cfg := burst.Config{Similarity: similarity, SharePercent: share, Neighbors: least}
				results := make([]bursts.Result, len(histories))
				for i, list := range histories {
					for j, h := range list {
						results[i].Add(bursts.Score(h, all[i][j].InBurst(cfg, s)))
					}
				}
				if score := mean(results); score > best.score {
					best.config, best.score = cfg, score
				}
			}
		}
	}
	return best
}
