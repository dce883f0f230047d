package bursts

import (
	"net/netip"
	"time"

	"newsletter/shared/lookalike"
	"newsletter/shared/pseudonym"
)

// window is how far back detectors look.
const window = time.Hour

// Similarities are how many sign-ups of the hour before there are for each one, and how many of them are similar to it, for every
// threshold of a list.
type Similarities struct {
	Compared []int   // [sign-up]
	Similar  [][]int // [sign-up][threshold]
}

// Compare counts what is alike in a history, exactly.
func Compare(history []SignUp, w lookalike.Weights, key pseudonym.Key, thresholds []float64) Similarities {
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

// trait is what a vector has in a dimension; most dimensions have nothing.
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

// CountByNetwork are how many sign-ups of the hour before came from the same /24: what a simple counter knows.
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

// Waves says what is a wave by a configuration whose similarity is the t-th of the thresholds.
func (a Similarities) InBurst(cfg lookalike.Config, t int) func(i int) bool {
	return func(i int) bool { return cfg.IsWave(a.Similar[i][t], a.Compared[i]) }
}

// Part is how many of some sign-ups were flagged.
type Part struct{ Flagged, All int }

// Share is the part as a number from 0 to 1; 0 of nothing.
func (p Part) Share() float64 {
	if p.All == 0 {
		return 0
	}
	return float64(p.Flagged) / float64(p.All)
}

// Crowd is how many of a natural crowd were flagged, and the share in the history that was worst for it.
type Crowd struct {
	Part
	Worst float64
}

// Result is how well a detector did: what it flagged of the attacks, and of each natural crowd.
type Result struct {
	Attack Part
	Crowds map[string]Crowd
}

// Score judges what a detector has flagged in a history.
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

// Add adds the result of another history, or of others.
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

// Natural is what was flagged of all natural traffic.
func (r Result) Natural() (all Part) {
	for _, crowd := range r.Crowds {
		all.add(crowd.Part)
	}
	return all
}

// Precision is the part of what was flagged that was an attack.
func (r Result) Precision() float64 {
	return Part{r.Attack.Flagged, r.Attack.Flagged + r.Natural().Flagged}.Share()
}

// Recall is the part of the attack that was flagged.
func (r Result) Recall() float64 { return r.Attack.Share() }

// F1 is the harmonic mean of precision and recall.
func (r Result) F1() float64 {
	return Part{2 * r.Attack.Flagged, r.Attack.Flagged + r.Natural().Flagged + r.Attack.All}.Share()
}
