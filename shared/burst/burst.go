// Package burst detects sign-up bursts: a part of an hour's sign-ups that look alike, though they come from many networks.
//
// Each sign-up becomes a vector of keyed hashes of its traits, which is kept in Upstash Vector for a day or two; one to which
// enough of the last hour's are near belongs to a wave. It is a hint for the owner, who decides about what is held:
// docs/burst-detection.md says how often it is right.
//
// Invariants: what leaves for Upstash is the vector, a keyed id and the time, from which nothing about a person can be
// read; nothing waits for it longer than its own time.
//
// Failure policy: a sign-up that could not be judged is no wave. After some failures nothing is asked for a while.
package burst

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/upstash/vector-go"

	"newsletter/shared/breaker"
	"newsletter/shared/config"
	"newsletter/shared/outbound"
	"newsletter/shared/pseudonym"
)

// Config says where the vectors are kept, and from where on sign-ups are a wave.
type Config struct {
	// Look for sign-up bursts in this Upstash Vector index, which needs 512 dimensions and the metric COSINE. Empty:
	// no burst detection.
	URL string `env:"UPSTASH_VECTOR_REST_URL" example:"https://example-vector.upstash.io"`
	// The index's token.
	Token config.Sealed `env:"UPSTASH_VECTOR_REST_TOKEN"`

	// Similarity is from which cosine on two sign-ups look alike (docs/burst-detection.md).
	Similarity float64 `envDefault:"0.45"`
	// SharePercent is which part of the last hour's sign-ups must look alike for the next one to be of a wave
	// (docs/burst-detection.md).
	SharePercent float64 `envDefault:"15"`
	// Neighbours is how many they must be at least; half of topK at most (docs/burst-detection.md).
	Neighbours int `envDefault:"25"`
}

// Enabled reports whether waves are looked for.
func (c Config) Enabled() bool { return c.URL != "" }

// Validate implements the check of config.Env.Read.
func (c Config) Validate() error {
	var problems []error
	if u, err := url.Parse(c.URL); c.Enabled() && (err != nil || u.Host == "") {
		problems = append(problems, errors.New("UPSTASH_VECTOR_REST_URL: must be the address of an index"))
	}
	if c.Enabled() && c.Token.IsZero() {
		problems = append(problems, errors.New("UPSTASH_VECTOR_REST_TOKEN: required with UPSTASH_VECTOR_REST_URL"))
	}
	return errors.Join(problems...)
}

// IsWave reports whether the next sign-up is of a wave, when so many of those before it look like it. What counts is their part:
// of a crowd of five hundred who come for one article with one browser, many look alike by chance.
func (c Config) IsWave(alike, of int) bool {
	return alike >= c.Neighbours && 100*float64(alike) >= c.SharePercent*float64(of)
}

const (
	// topK is how many neighbours are asked for, which is to be all that there are in the window: the service's most.
	topK = 1000
	// window is how far back neighbours count, where the service tells all of them.
	window = time.Hour
	// timeout bounds a call of the index.
	timeout = 400 * time.Millisecond
	// After so many consecutive failures, the index is queried again only after up to rest.
	failures = 3
	rest     = 30 * time.Second
)

// ErrUnavailable means that the index is not asked, because it failed lately.
var ErrUnavailable = errors.New("burst: index failed recently and is not queried")

// Index compares sign-ups. It is safe for concurrent use.
type Index struct {
	config Config
	key    pseudonym.Key
	client *outbound.Client
	now    func() time.Time
	reach  reach

	breaker *breaker.Breaker

	mu     sync.Mutex
	tidied string // the day for which old vectors were dropped
}

// New makes the index of a Config that is enabled. It does no I/O.
func New(cfg Config, key pseudonym.Key, client *outbound.Client, now func() time.Time) *Index {
	return &Index{config: cfg, key: key, client: client, now: now, breaker: breaker.New(failures, rest, now), reach: reach{back: window}}
}

// IsBurst reports whether a sign-up belongs to a wave, and keeps it for the next ones. id names it, the same at every try.
func (x *Index) IsBurst(ctx context.Context, id string, s SignUp) (bool, error) {
	if !x.breaker.Allow() {
		return false, ErrUnavailable
	}
	wave, err := x.judge(ctx, id, s)
	x.breaker.Report(err == nil)
	return wave, err
}

func (x *Index) judge(ctx context.Context, id string, s SignUp) (bool, error) {
	now := x.now()
	asked, kept := Chosen().Vectors(x.key, s)
	name := fmt.Sprintf("%016x", x.key.Feature("id\x00"+id))
	wave, err := x.ask(ctx, asked, name, now)
	if err != nil {
		return false, err
	}
	today := day(now)
	err = x.call(ctx, "keep a sign-up for comparison", func(index *vector.Index) error {
		return index.Namespace(today).Upsert(vector.Upsert{Id: name, Vector: kept, Metadata: map[string]any{"ts": now.Unix()}})
	})
	if err != nil {
		return false, err
	}
	return wave, x.tidy(ctx, today)
}

// ask compares with the sign-ups of the window: all of them, because their number counts too. Where the service has more than
// it tells, nothing is a wave, and the next sign-ups are compared with those of a shorter time.
func (x *Index) ask(ctx context.Context, asked []float32, name string, now time.Time) (bool, error) {
	back := x.reach.get()
	alike, of := 0, 0
	for _, day := range days(now, back) {
		var scores []vector.VectorScore
		err := x.call(ctx, "look for sign-ups that look alike", func(index *vector.Index) (err error) {
			scores, err = index.Namespace(day).Query(vector.Query{
				Vector: asked, TopK: topK, Filter: fmt.Sprintf("ts > %d", now.Add(-back).Unix()),
			})
			return err
		})
		if err != nil {
			return false, err
		}
		if len(scores) == topK {
			x.reach.shorten(back, now)
			return false, nil
		}
		for _, score := range scores {
			if score.Id == name { // itself, from an earlier try
				continue
			}
			of++
			if cosine(score.Score) >= x.config.Similarity {
				alike++
			}
		}
	}
	x.reach.lengthen(back, of, now)
	return x.config.IsWave(alike, of), nil
}

// cosine returns what the metric COSINE of the index makes its scores of: (1 + cosine) / 2.
func cosine(score float32) float64 { return 2*float64(score) - 1 }

// namespacePrefix is followed by the day.
const namespacePrefix = "signups-"

func day(at time.Time) string { return namespacePrefix + at.UTC().Format(time.DateOnly) }

// days returns the name spaces that hold what came since.
func days(now time.Time, back time.Duration) []string {
	today, before := day(now), day(now.Add(-back))
	if today == before {
		return []string{today}
	}
	return []string{before, today}
}

// tidy drops the vectors of the days before yesterday, once a day and environment.
func (x *Index) tidy(ctx context.Context, today string) error {
	x.mu.Lock()
	done := x.tidied == today
	x.tidied = today
	x.mu.Unlock()
	if done {
		return nil
	}
	var names []string
	err := x.call(ctx, "list the days of sign-ups", func(index *vector.Index) (err error) {
		names, err = index.ListNamespaces()
		return err
	})
	if err != nil {
		return err
	}
	oldest := day(x.now().Add(-24 * time.Hour))
	for _, name := range names {
		if !strings.HasPrefix(name, namespacePrefix) || len(name) != len(oldest) || name >= oldest {
			continue
		}
		err := x.call(ctx, "drop a day of sign-ups", func(index *vector.Index) error { return index.Namespace(name).DeleteNamespace() })
		if err != nil {
			return err
		}
	}
	return nil
}
