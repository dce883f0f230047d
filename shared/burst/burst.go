// Package burst detects sign-up bursts: many sign-ups of one hour that look alike, although they come from many
// networks.
//
// Each sign-up becomes a vector of keyed hashes of its features, which Upstash Vector keeps for up to two days. A
// sign-up belongs to a burst if enough vectors of the last hour are similar to its own. The result is a hint: the owner
// decides about the held sign-ups. docs/burst-detection.md has the precision and recall.
//
// Invariants: Upstash receives the vector, a keyed id and the time, which reveal nothing about a subscriber. A call is
// bounded by a timeout.
//
// Failure policy: a sign-up that could not be compared does not belong to a burst. After repeated failures the index is
// not queried for a while.
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

// Config is the index and the thresholds of burst detection. docs/burst-detection.md explains the thresholds.
type Config struct {
	// Detect sign-up bursts with this Upstash Vector index, which needs 512 dimensions and the metric COSINE. Empty:
	// no burst detection.
	URL string `env:"UPSTASH_VECTOR_REST_URL" example:"https://example-vector.upstash.io"`
	// The index's token.
	Token config.Sealed `env:"UPSTASH_VECTOR_REST_TOKEN"`

	// Similarity is the cosine at and above which two sign-ups are similar.
	Similarity float64 `envDefault:"0.45"`
	// SharePercent is the percentage of the last hour's sign-ups that must be similar.
	SharePercent float64 `envDefault:"15"`
	// Neighbors is the number of sign-ups that must be similar; at most half of topK.
	Neighbors int `envDefault:"25"`
}

// Enabled reports whether burst detection is configured.
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

// Exceeded reports whether a sign-up belongs to a burst when similar of the total sign-ups before it are similar to it.
// The share counts, because many visitors of a popular article look alike by chance.
func (c Config) Exceeded(similar, total int) bool {
	return similar >= c.Neighbors && 100*float64(similar) >= c.SharePercent*float64(total)
}

const (
	// topK is the number of vectors that a query requests: the service's maximum, because all of them are counted.
	topK = 1000
	// maxLookback is how far back sign-ups are compared, unless the service cannot return all of them.
	maxLookback = time.Hour
	// timeout bounds a call of the index.
	timeout = 400 * time.Millisecond
	// After maxFailures consecutive failures, the index is queried again only after up to cooldown.
	maxFailures = 3
	cooldown    = 30 * time.Second
)

// ErrUnavailable is the error while the index is not queried, because it failed repeatedly.
var ErrUnavailable = errors.New("burst: index failed recently and is not queried")

// Index compares sign-ups. It is safe for concurrent use.
type Index struct {
	config   Config
	key      pseudonym.Key
	client   *outbound.Client
	now      func() time.Time
	lookback lookback
	breaker  *breaker.Breaker

	mu     sync.Mutex
	pruned string // the day for which old vectors were deleted
}

// New returns the Index of an enabled Config. It does no I/O.
func New(cfg Config, key pseudonym.Key, client *outbound.Client, now func() time.Time) *Index {
	return &Index{
		config: cfg, key: key, client: client, now: now,
		breaker: breaker.New(maxFailures, cooldown, now), lookback: lookback{duration: maxLookback},
	}
}

// IsBurst reports whether a sign-up belongs to a burst, and stores it for later comparisons. A retry has the same id.
func (x *Index) IsBurst(ctx context.Context, id string, s SignUp) (bool, error) {
	if !x.breaker.Allow() {
		return false, ErrUnavailable
	}
	found, err := x.compare(ctx, id, s)
	x.breaker.Report(err == nil)
	return found, err
}

func (x *Index) compare(ctx context.Context, id string, s SignUp) (bool, error) {
	now := x.now()
	query, stored := Tuned().Vectors(x.key, s)
	vectorID := fmt.Sprintf("%016x", x.key.Feature("id\x00"+id))
	found, err := x.query(ctx, query, vectorID, now)
	if err != nil {
		return false, err
	}
	today := day(now)
	err = x.call(ctx, "store a sign-up for comparison", func(index *vector.Index) error {
		return index.Namespace(today).Upsert(vector.Upsert{
			Id: vectorID, Vector: stored, Metadata: map[string]any{"ts": now.Unix()},
		})
	})
	if err != nil {
		return false, err
	}
	return found, x.prune(ctx, today)
}

// query compares a sign-up with all sign-ups within the lookback, because their total counts too. If the service has
// more than it returns, the sign-up belongs to no burst, and the lookback of the next ones is shorter.
func (x *Index) query(ctx context.Context, query []float32, vectorID string, now time.Time) (bool, error) {
	back := x.lookback.get()
	similar, total := 0, 0
	for _, day := range days(now, back) {
		var scores []vector.VectorScore
		err := x.call(ctx, "find similar sign-ups", func(index *vector.Index) (err error) {
			scores, err = index.Namespace(day).Query(vector.Query{
				Vector: query, TopK: topK, Filter: fmt.Sprintf("ts > %d", now.Add(-back).Unix()),
			})
			return err
		})
		if err != nil {
			return false, err
		}
		if len(scores) == topK {
			x.lookback.shorten(back, now)
			return false, nil
		}
		for _, score := range scores {
			if score.Id == vectorID { // itself, from an earlier attempt
				continue
			}
			total++
			if cosine(score.Score) >= x.config.Similarity {
				similar++
			}
		}
	}
	x.lookback.lengthen(back, total, now)
	return x.config.Exceeded(similar, total), nil
}

// cosine returns the cosine of a score of the index, which is (1 + cosine) / 2.
func cosine(score float32) float64 { return 2*float64(score) - 1 }

// namespacePrefix is followed by the day.
const namespacePrefix = "signups-"

func day(at time.Time) string { return namespacePrefix + at.UTC().Format(time.DateOnly) }

// days returns the namespaces of the sign-ups within the time back.
func days(now time.Time, back time.Duration) []string {
	today, before := day(now), day(now.Add(-back))
	if today == before {
		return []string{today}
	}
	return []string{before, today}
}

// prune deletes the vectors of the days before yesterday, once a day and environment.
func (x *Index) prune(ctx context.Context, today string) error {
	x.mu.Lock()
	done := x.pruned == today
	x.pruned = today
	x.mu.Unlock()
	if done {
		return nil
	}
	var names []string
	err := x.call(ctx, "list the days of stored sign-ups", func(index *vector.Index) (err error) {
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
		err := x.call(ctx, "delete a day of stored sign-ups", func(index *vector.Index) error {
			return index.Namespace(name).DeleteNamespace()
		})
		if err != nil {
			return err
		}
	}
	return nil
}
