package bursts

import (
	"net/netip"
	"time"

	"newsletter/shared/burst"
	"newsletter/shared/pseudonym"
)

// window is the lookback of the detectors.
const window = time.Hour

// Similarities are, for each sign-up, the number of sign-ups in the previous hour, and for every threshold the number
// of those that are similar.
type Similarities struct {
	Compared []int   // [sign-up]
	Similar  [][]int // [sign-up][threshold]
}

// Compare computes the similarities of a history exactly.
func Compare(history []SignUp, w burst.Weights, key pseudonym.Key, thresholds []float64) Similarities {
	asked, kept := make([][]trait, len(history)), make([][]float32, len(history))
	for i, s := range history {
		var vector []float32
		vector, kept[i] = w.Vectors(key, s.SignUp)
		asked[i] = traits(vector)
	}
	all := Similarities{make([]int, len(history)), make([][]int, len(history))}
	first := 0
	for i, s := range history {
		for history[first].At < s.At-window {
			first++
		}
		all.Compared[i], all.Similar[i] = i-first, make([]int, len(thresholds))
		for _, before := range kept[first:i] {
			cosine := product(asked[i], before)
			for t, threshold := range thresholds {
				if cosine >= threshold {
					all.Similar[i][t]++
				}
			}
		}
	}
	return all
}

// trait is a vector's value in one dimension; most dimensions are zero.
type trait struct {
	dimension int
	value     float32
}

func traits(vector []float32) (all []trait) {
	for i, v := range vector {
		if v != 0 {
			all = append(all, trait{i, v})
		}
	}
	return all
}

func product(a []trait, b []float32) float64 {
	var sum float32
	for _, t := range a {
		sum += t.value * b[t.dimension]
	}
	return float64(sum)
}

// CountByNetwork returns for each sign-up the number of sign-ups of the previous hour from the same /24, which is
// what a simple counter knows.
func CountByNetwork(history []SignUp) []int {
	all := make([]int, len(history))
	first := 0
	counts := map[netip.Prefix]int{}
	for i, s := range history {
		for history[first].At < s.At-window {
			counts[block(history[first])]--
			first++
		}
		all[i] = counts[block(s)]
		counts[block(s)]++
	}
	return all
}

func block(s SignUp) netip.Prefix {
	p, _ := s.Network.Prefix(24) // of an IPv4 address
	return p
}

// InBurst returns a function that reports whether a sign-up belongs to a burst, by a configuration whose similarity
// is the t-th threshold.
func (a Similarities) InBurst(cfg burst.Config, t int) func(i int) bool {
	return func(i int) bool { return cfg.Exceeded(a.Similar[i][t], a.Compared[i]) }
}

// Part is the number of sign-ups in a set, and of flagged ones among them.
type Part struct{ Flagged, All int }

// Share returns the flagged part as a number from 0 to 1; 0 for an empty set.
func (p Part) Share() float64 {
	if p.All == 0 {
		return 0
	}
	return float64(p.Flagged) / float64(p.All)
}

// Crowd is the result for a natural crowd, with the share in its worst history.
type Crowd struct {
	Part
	Worst float64
}

// Result is the result of a detector: what it flagged of the attacks and of each natural crowd.
type Result struct {
	Attack Part
	Crowds map[string]Crowd
}

// Score evaluates what a detector flagged in a history.
func Score(history []SignUp, flagged func(i int) bool) Result {
	r := Result{Crowds: map[string]Crowd{}}
	for i, s := range history {
		one := Part{All: 1}
		if flagged(i) {
			one.Flagged = 1
		}
		if s.Crowd == "" {
			r.Attack.add(one)
			continue
		}
		crowd := r.Crowds[s.Crowd]
		crowd.add(one)
		r.Crowds[s.Crowd] = crowd
	}
	return r
}

// Add adds the result of other histories.
func (r *Result) Add(o Result) {
	if r.Crowds == nil {
		r.Crowds = map[string]Crowd{}
	}
	r.Attack.add(o.Attack)
	for name, other := range o.Crowds {
		crowd := r.Crowds[name]
		crowd.add(other.Part)
		crowd.Worst = max(crowd.Worst, other.Worst, other.Share())
		r.Crowds[name] = crowd
	}
}

func (p *Part) add(o Part) { p.Flagged, p.All = p.Flagged+o.Flagged, p.All+o.All }

// Natural returns what was flagged of all natural traffic.
func (r Result) Natural() (all Part) {
	for _, crowd := range r.Crowds {
		all.add(crowd.Part)
	}
	return all
}

// Precision returns the share of attacks among the flagged sign-ups.
func (r Result) Precision() float64 {
	return Part{r.Attack.Flagged, r.Attack.Flagged + r.Natural().Flagged}.Share()
}

// Recall returns the share of the attacks that was flagged.
func (r Result) Recall() float64 { return r.Attack.Share() }

// F1 returns the harmonic mean of precision and recall.
func (r Result) F1() float64 {
	return Part{2 * r.Attack.Flagged, r.Attack.Flagged + r.Natural().Flagged + r.Attack.All}.Share()
}
