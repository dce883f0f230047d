package bursts_test

import (
	"strings"
	"testing"

	"newsletter/internal/suites/bursts"
	"newsletter/shared/burst"
	"newsletter/shared/config"
	"newsletter/shared/pseudonym"
)

// TestHonestCrowdsAreNotHeld checks the shipped weights and thresholds on one history of every kind of site: attacks
// are held, honest crowds are not. docs/burst-detection.md has the complete measurement.
func TestHonestCrowdsAreNotHeld(t *testing.T) {
	t.Parallel()
	key, err := pseudonym.NewKey(pseudonym.Config{Pepper: config.Seal(strings.Repeat("A", 43) + "=")})
	if err != nil {
		t.Fatal(err)
	}
	cfg := config.Read[burst.Config](config.FromMap(nil))
	var all bursts.Result
	for seed := range uint64(6) {
		h := bursts.History(bursts.Tuning[0], 1+seed)
		all.Add(bursts.Score(h, bursts.Compare(h, burst.Tuned(), key, []float64{cfg.Similarity}).InBurst(cfg, 0)))
	}
	for _, crowd := range []string{"everyday", "launch", "mention", "conference", "company", "university", "through a server"} {
		if part := all.Crowds[crowd]; part.All == 0 || part.Share() > 0.03 {
			t.Errorf("%s: %d of %d held", crowd, part.Flagged, part.All)
		}
	}
	if all.Recall() < 0.5 {
		t.Errorf("recall of attacks: %.2f", all.Recall())
	}
}
