package burst_test

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"newsletter/internal/local/devstack"
	"newsletter/internal/suites/bursts"
	"newsletter/shared/burst"
	"newsletter/shared/config"
	"newsletter/shared/outbound"
	"newsletter/shared/pseudonym"
)

// fixture is an index over the fake of the service, with a clock that the test advances.
type fixture struct {
	*burst.Index
	t    *testing.T
	fake *devstack.Vector
	now  time.Time
	n    int
}

func key(t *testing.T) pseudonym.Key {
	t.Helper()
	k, err := pseudonym.NewKey(pseudonym.Config{Pepper: config.Seal(strings.Repeat("A", 43) + "=")})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// newFixture returns an index for which that many similar sign-ups are a burst; 0 for the default.
func newFixture(t *testing.T, neighbors int) *fixture {
	t.Helper()
	f := &fixture{t: t, fake: &devstack.Vector{}, now: time.Date(2026, 3, 2, 23, 30, 0, 0, time.UTC)}
	server := httptest.NewServer(f.fake)
	t.Cleanup(server.Close)
	env := config.FromMap(map[string]string{
		"UPSTASH_VECTOR_REST_URL": server.URL + "/", "UPSTASH_VECTOR_REST_TOKEN": devstack.VectorToken,
	})
	cfg := config.Read[burst.Config](env)
	if err := env.Err(); err != nil || !cfg.Enabled() {
		t.Fatal(err)
	}
	cfg.Neighbors = cmp.Or(neighbors, cfg.Neighbors)
	client := outbound.New(outbound.Config{AllowPrivate: []string{server.Listener.Addr().String()}}, nil)
	f.Index = burst.New(cfg, key(t), client, func() time.Time { return f.now })
	t.Cleanup(func() {
		for _, problem := range f.fake.Problems() {
			t.Errorf("the service would reject: %s", problem)
		}
	})
	return f
}

// signUp compares a sign-up with a new id.
func (f *fixture) signUp(s burst.SignUp) (bool, error) {
	f.n++
	return f.IsBurst(f.t.Context(), fmt.Sprint("delivery-", f.n), s)
}

// bot is the n-th sign-up of an attack from many networks.
func bot(n int) burst.SignUp {
	return burst.SignUp{
		Mailbox: fmt.Sprintf("bot%d@mail.example", n), Network: netip.AddrFrom4([4]byte{192, 0, byte(n), 7}),
		UserAgent: "curl/8.5", Source: "/",
	}
}

func person(n int) burst.SignUp {
	names := []string{"anna.weber@gmail.com", "jl@posteo.example", "tom_77@outlook.com", "info@bakery.example", "marie@free.fr"}
	return burst.SignUp{
		Mailbox: names[n%len(names)], Network: netip.AddrFrom4([4]byte{198, 51, byte(n), 7}),
		UserAgent: fmt.Sprintf("Browser/%d", n), Source: fmt.Sprintf("/page/%d", n),
	}
}

func TestABurstIsDetectedAfterItsFirstSignUps(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 5)
	for i := range 20 {
		if found, err := f.signUp(bot(i)); err != nil || found != (i >= 5) {
			t.Errorf("bot %d: %v, %v", i, found, err)
		}
		if found, err := f.signUp(person(i)); err != nil || found {
			t.Errorf("person %d: %v, %v", i, found, err)
		}
	}
	if found, err := f.IsBurst(t.Context(), "delivery-1", bot(0)); err != nil || !found {
		t.Errorf("a retry of the first one: %v, %v", found, err)
	}
}

// A retry is not compared with itself.
func TestASignUpIsNotItsOwnNeighbor(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 1)
	for range 3 {
		if found, err := f.IsBurst(t.Context(), "same", bot(1)); err != nil || found {
			t.Errorf("%v, %v", found, err)
		}
	}
}

// The lookback crosses midnight, and old days are deleted.
func TestSignUpsOfTheLastHourAreCompared(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 3)
	f.fake.Put("signups-2026-02-27", f.now, 1)
	f.fake.Put("another-use", f.now, 1)
	for i := range 3 {
		if _, err := f.signUp(bot(i)); err != nil {
			t.Fatal(err)
		}
	}
	f.now = f.now.Add(45 * time.Minute) // 00:15 of the next day
	if found, err := f.signUp(bot(3)); err != nil || !found {
		t.Errorf("after 45 minutes: %v, %v", found, err)
	}
	f.now = f.now.Add(16 * time.Minute) // only the last one is within the hour
	if found, err := f.signUp(bot(4)); err != nil || found {
		t.Errorf("after 61 minutes: %v, %v", found, err)
	}
	got := strings.Join(slices.Sorted(maps.Keys(f.fake.Namespaces())), " ")
	if got != "another-use signups-2026-03-02 signups-2026-03-03" {
		t.Errorf("left %s", got)
	}
}

// Each failure is reported; after three the index is not queried for a while.
func TestAFailedIndexCostsLittle(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]devstack.Fault{
		"500":       {Status: http.StatusInternalServerError, Body: "<html>oops</html>"},
		"200, HTML": {Status: http.StatusOK, Body: "<html>oops</html>"},
		"error":     {Status: http.StatusOK, Body: `{"error":"limit exceeded","status":200}`},
		"429":       {Status: http.StatusTooManyRequests},
		"slow":      {Delay: 5 * time.Second},
		"slow body": {Drip: 5 * time.Second},
		"lost":      {Lost: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, 0)
			f.fake.Fail(fault, fault, fault)
			for range 3 {
				began := time.Now()
				if found, err := f.signUp(bot(1)); err == nil || found || errors.Is(err, burst.ErrUnavailable) {
					t.Errorf("%v, %v", found, err)
				}
				if took := time.Since(began); took > 4*time.Second {
					t.Errorf("it took %v", took)
				}
			}
			calls := len(f.fake.Calls())
			if _, err := f.signUp(bot(1)); !errors.Is(err, burst.ErrUnavailable) || len(f.fake.Calls()) != calls {
				t.Errorf("queried during the cooldown: %v", err)
			}
			f.now = f.now.Add(31 * time.Second)
			if _, err := f.signUp(bot(1)); err != nil {
				t.Errorf("after the cooldown: %v", err)
			}
		})
	}
}

// The same number of similar sign-ups is a burst in a quiet hour and a coincidence in a busy one.
func TestTheShareOfTheHourCounts(t *testing.T) {
	t.Parallel()
	for others, want := range map[int]bool{0: true, 200: false} {
		f := newFixture(t, 0)
		f.fake.Put("signups-2026-03-02", f.now, others)
		found := false
		for i := range 30 {
			var err error
			if found, err = f.signUp(bot(i)); err != nil {
				t.Fatal(err)
			}
		}
		if found != want {
			t.Errorf("the 30th beside %d others: %v", others, found)
		}
	}
}

// While the service has more sign-ups than it returns, the lookback is shorter.
func TestTheLookbackAdaptsToABusyHour(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 0)
	f.fake.Put("signups-2026-03-02", f.now.Add(-20*time.Minute), 1000)
	var burstAt []int
	for i := range 30 {
		found, err := f.signUp(bot(i))
		if err != nil {
			t.Fatal(err)
		}
		if found {
			burstAt = append(burstAt, i)
		}
	}
	if len(burstAt) == 0 || burstAt[0] > 26 || len(burstAt) != 30-burstAt[0] {
		t.Errorf("detected: %v, want all after the first ones", burstAt)
	}
	for _, pause := range []time.Duration{20 * time.Minute, 20 * time.Minute, 10 * time.Minute} {
		f.now = f.now.Add(pause)
		found, err := f.signUp(bot(99))
		if err != nil || found != (pause == 10*time.Minute) {
			t.Errorf("after %v: %v, %v", pause, found, err)
		}
	}
}

// The tables of docs/burst-detection.md come from an exact comparison, which the service must agree with.
func TestTheIndexAgreesWithTheEvaluation(t *testing.T) {
	t.Parallel()
	f := newFixture(t, 0)
	cfg := config.Read[burst.Config](config.FromMap(nil))
	history := bursts.History(bursts.Tuning[2], 5)
	attack := slices.IndexFunc(history, func(s bursts.SignUp) bool { return s.Crowd == "" })
	history = history[attack-50 : attack+250]
	want := bursts.Compare(history, burst.Tuned(), key(t), []float64{cfg.Similarity}).InBurst(cfg, 0)
	start, different, caught := f.now.Truncate(24*time.Hour), 0, 0
	for i, s := range history {
		f.now = start.Add(s.At)
		found, err := f.signUp(s.SignUp)
		if err != nil {
			t.Fatal(err)
		}
		if found != want(i) {
			different++
		}
		if found {
			caught++
		}
	}
	if different > len(history)/100 || caught < 50 { // whole seconds, and 32-bit scores at the threshold
		t.Errorf("%d of %d sign-ups have another result, %d are detected", different, len(history), caught)
	}
}

func TestVectorsOfTwoKeysAreUnrelated(t *testing.T) {
	t.Parallel()
	other, err := pseudonym.NewKey(pseudonym.Config{Pepper: config.Seal(strings.Repeat("B", 43) + "=")})
	if err != nil {
		t.Fatal(err)
	}
	a, _ := burst.Tuned().Vectors(key(t), bot(1))
	_, b := burst.Tuned().Vectors(other, bot(1))
	if cosine, square := product(a, b), product(a, a); cosine > 0.3 || square < 0.999 || square > 1.001 {
		t.Errorf("cosine %.2f with another key, length² %.3f", cosine, square)
	}
}

func TestACommonNetworkLowersTheSimilarity(t *testing.T) {
	t.Parallel()
	from := func(n byte) burst.SignUp {
		s := bot(1)
		s.Network = netip.AddrFrom4([4]byte{198, 51, n, 9})
		return s
	}
	asked, same := burst.Tuned().Vectors(key(t), from(1))
	_, other := burst.Tuned().Vectors(key(t), from(2))
	if a, b := product(asked, same), product(asked, other); a >= b-0.05 {
		t.Errorf("cosine %.2f from one network, %.2f from two", a, b)
	}
}

func product(a, b []float32) (sum float64) {
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

func TestInvalidConfigurationIsRejected(t *testing.T) {
	t.Parallel()
	for name, vars := range map[string]map[string]string{
		"UPSTASH_VECTOR_REST_TOKEN": {"UPSTASH_VECTOR_REST_URL": "https://x.upstash.io"},
		"UPSTASH_VECTOR_REST_URL":   {"UPSTASH_VECTOR_REST_URL": "x.upstash.io", "UPSTASH_VECTOR_REST_TOKEN": "t"},
	} {
		env := config.FromMap(vars)
		config.Read[burst.Config](env)
		if err := env.Err(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
