package waves

import (
	"net/netip"
	"time"

	"newsletter/shared/lookalike"
	"newsletter/shared/pseudonym"
)

// window is how far back detectors look.
const window = time.Hour

// Alikes are how many sign-ups of the hour before are similar to each one, for every threshold of a list.
type Alikes [][]int // [sign-up][threshold]

// Compare counts what is alike in a history, exactly.
func Compare(history []SignUp, w lookalike.Weights, key pseudonym.Key, thresholds []float64) Alikes {
	vectors := make([][]float32, len(history))
	for i, s := range history {
		vectors[i] = w.Vector(key, s.SignUp)
	}
	all := make(Alikes, len(history))
	first := 0
	for i, s := range history {
		for history[first].At < s.At-window {
			first++
		}
		all[i] = make([]int, len(thresholds))
		for j := first; j < i; j++ {
			cosine := dot(vectors[i], vectors[j])
			for t, threshold := range thresholds {
				if cosine >= threshold {
					all[i][t]++
				}
			}
		}
	}
	return all
}

func dot(a, b []float32) (sum float64) {
	var s float32
	for i, v := range a {
		s += v * b[i]
	}
	return float64(s)
}

// Crowds are how many sign-ups of the hour before came from the same /24: what a simple counter knows.
func Crowds(history []SignUp) []int {
	all := make([]int, len(history))
	first := 0
	counts := map[netip.Prefix]int{}
	for i, s := range history {
		for history[first].At < s.At-window {
			counts[site(history[first])]--
			first++
		}
		all[i] = counts[site(s)]
		counts[site(s)]++
	}
	return all
}

func site(s SignUp) netip.Prefix {
	p, _ := s.Network.Prefix(24) // of an IPv4 address
	return p
}

// Result is how well a detector did.
type Result struct{ Caught, Attacks, Held, Natural int }

// Score judges what a detector has flagged.
func Score(history []SignUp, flagged func(i int) bool) (r Result) {
	for i, s := range history {
		switch {
		case s.Attack:
			r.Attacks++
			if flagged(i) {
				r.Caught++
			}
		default:
			r.Natural++
			if flagged(i) {
				r.Held++
			}
		}
	}
	return r
}

// Add adds up results.
func (r Result) Add(o Result) Result {
	return Result{r.Caught + o.Caught, r.Attacks + o.Attacks, r.Held + o.Held, r.Natural + o.Natural}
}

// Precision is the part of what was flagged that was an attack, Recall the part of the attack that was flagged, and False
// the part of the natural traffic that was flagged.
func (r Result) Precision() float64 { return part(r.Caught, r.Caught+r.Held) }

// Recall is the part of the attack that was flagged.
func (r Result) Recall() float64 { return part(r.Caught, r.Attacks) }

// False is the part of the natural traffic that was flagged.
func (r Result) False() float64 { return part(r.Held, r.Natural) }

// F1 is the harmonic mean of precision and recall.
func (r Result) F1() float64 { return part(2*r.Caught, 2*r.Caught+r.Held+r.Attacks-r.Caught) }

func part(n, of int) float64 {
	if of == 0 {
		return 0
	}
	return float64(n) / float64(of)
}
