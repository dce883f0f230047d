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

	"newsletter/internal/bursts"
	"newsletter/internal/devstack"
	"newsletter/shared/burst"
	"newsletter/shared/config"
	"newsletter/shared/outbound"
	"newsletter/shared/pseudonym"
)

// rig is an index over the double of the service, with a clock that the test moves.
type rig struct {
	*burst.Index
	t      *testing.T
	double *devstack.Vector
	now    time.Time
	n      int
}

func key(t *testing.T) pseudonym.Key {
	t.Helper()
	k, err := pseudonym.NewKey(pseudonym.Config{Pepper: config.Seal(strings.Repeat("A", 43) + "=")})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// newRig makes an index for which neighbours sign-ups that look alike are a wave; 0 for the default.
func newRig(t *testing.T, neighbours int) *rig {
	t.Helper()
	r := &rig{t: t, double: &devstack.Vector{}, now: time.Date(2026, 3, 2, 23, 30, 0, 0, time.UTC)}
	server := httptest.NewServer(r.double)
	t.Cleanup(server.Close)
	env := config.FromMap(map[string]string{"UPSTASH_VECTOR_REST_URL": server.URL + "/", "UPSTASH_VECTOR_REST_TOKEN": devstack.VectorToken})
	cfg := config.Read[burst.Config](env)
	if err := env.Err(); err != nil || !cfg.Enabled() {
		t.Fatal(err)
	}
	cfg.Neighbours = cmp.Or(neighbours, cfg.Neighbours)
	client := outbound.New(outbound.Config{AllowPrivate: []string{server.Listener.Addr().String()}}, nil)
	r.Index = burst.New(cfg, key(t), client, func() time.Time { return r.now })
	t.Cleanup(func() {
		for _, problem := range r.double.Problems() {
			t.Errorf("the service would refuse: %s", problem)
		}
	})
	return r
}

// signUp judges a sign-up of its own id.
func (r *rig) signUp(s burst.SignUp) (bool, error) {
	r.n++
	return r.IsBurst(r.t.Context(), fmt.Sprint("delivery-", r.n), s)
}

// robot is the n-th sign-up of an attack from many networks.
func robot(n int) burst.SignUp {
	return burst.SignUp{
		Mailbox: fmt.Sprintf("robot%d@mail.example", n), Network: netip.AddrFrom4([4]byte{192, 0, byte(n), 7}), UserAgent: "curl/8.5", Source: "/",
	}
}

func person(n int) burst.SignUp {
	names := []string{"anna.weber@gmail.com", "jl@posteo.example", "tom_77@outlook.com", "info@bakery.example", "marie@free.fr"}
	return burst.SignUp{
		Mailbox: names[n%len(names)], Network: netip.AddrFrom4([4]byte{198, 51, byte(n), 7}), UserAgent: fmt.Sprintf("Browser/%d", n), Source: fmt.Sprintf("/page/%d", n),
	}
}

func TestAWaveIsToldAfterItsFirstSignUps(t *testing.T) {
	t.Parallel()
	r := newRig(t, 5)
	for i := range 20 {
		if wave, err := r.signUp(robot(i)); err != nil || wave != (i >= 5) {
			t.Errorf("robot %d: %v, %v", i, wave, err)
		}
		if wave, err := r.signUp(person(i)); err != nil || wave {
			t.Errorf("person %d: %v, %v", i, wave, err)
		}
	}
	if wave, err := r.IsBurst(t.Context(), "delivery-1", robot(0)); err != nil || !wave {
		t.Errorf("the first one, tried again: %v, %v", wave, err)
	}
}

// TestASignUpIsNotItsOwnNeighbour: trying again changes nothing.
func TestASignUpIsNotItsOwnNeighbour(t *testing.T) {
	t.Parallel()
	r := newRig(t, 1)
	for range 3 {
		if wave, err := r.IsBurst(t.Context(), "same", robot(1)); err != nil || wave {
			t.Errorf("%v, %v", wave, err)
		}
	}
}

// TestAnHourIsRemembered, over midnight, and days are dropped.
func TestAnHourIsRemembered(t *testing.T) {
	t.Parallel()
	r := newRig(t, 3)
	r.double.Put("signups-2026-02-27", r.now, 1)
	r.double.Put("another-use", r.now, 1)
	for i := range 3 {
		if _, err := r.signUp(robot(i)); err != nil {
			t.Fatal(err)
		}
	}
	r.now = r.now.Add(45 * time.Minute) // 00:15 of the next day
	if wave, err := r.signUp(robot(3)); err != nil || !wave {
		t.Errorf("after 45 minutes: %v, %v", wave, err)
	}
	r.now = r.now.Add(16 * time.Minute) // only the last one is within the hour
	if wave, err := r.signUp(robot(4)); err != nil || wave {
		t.Errorf("after 61 minutes: %v, %v", wave, err)
	}
	got := strings.Join(slices.Sorted(maps.Keys(r.double.Namespaces())), " ")
	if got != "another-use signups-2026-03-02 signups-2026-03-03" {
		t.Errorf("left %s", got)
	}
}

// TestALostIndexCostsLittle: each failure is told, and after three the index is left alone for a while.
func TestALostIndexCostsLittle(t *testing.T) {
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
			r := newRig(t, 0)
			r.double.Fail(fault, fault, fault)
			for range 3 {
				began := time.Now()
				if wave, err := r.signUp(robot(1)); err == nil || wave || errors.Is(err, burst.ErrUnavailable) {
					t.Errorf("%v, %v", wave, err)
				}
				if took := time.Since(began); took > 4*time.Second {
					t.Errorf("it took %v", took)
				}
			}
			calls := len(r.double.Calls())
			if _, err := r.signUp(robot(1)); !errors.Is(err, burst.ErrUnavailable) || len(r.double.Calls()) != calls {
				t.Errorf("not left alone: %v", err)
			}
			r.now = r.now.Add(31 * time.Second)
			if _, err := r.signUp(robot(1)); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// TestAPartOfTheHourIsAWave: as many that look alike are a wave in a quiet hour and a crowd's chance in a busy one.
func TestAPartOfTheHourIsAWave(t *testing.T) {
	t.Parallel()
	for others, want := range map[int]bool{0: true, 200: false} {
		r := newRig(t, 0)
		r.double.Put("signups-2026-03-02", r.now, others)
		wave := false
		for i := range 30 {
			var err error
			if wave, err = r.signUp(robot(i)); err != nil {
				t.Fatal(err)
			}
		}
		if wave != want {
			t.Errorf("the 30th beside %d others: %v", others, wave)
		}
	}
}

// TestAnHourThatIsTooFull: where the service has more sign-ups than it tells, a shorter time is looked at, until the hour is
// quiet again.
func TestAnHourThatIsTooFull(t *testing.T) {
	t.Parallel()
	r := newRig(t, 0)
	r.double.Put("signups-2026-03-02", r.now.Add(-20*time.Minute), 1000)
	var waves []int
	for i := range 30 {
		wave, err := r.signUp(robot(i))
		if err != nil {
			t.Fatal(err)
		}
		if wave {
			waves = append(waves, i)
		}
	}
	if len(waves) == 0 || waves[0] > 26 || len(waves) != 30-waves[0] {
		t.Errorf("of a wave: %v, want all from some on", waves)
	}
	for _, pause := range []time.Duration{20 * time.Minute, 20 * time.Minute, 10 * time.Minute} {
		r.now = r.now.Add(pause)
		wave, err := r.signUp(robot(99))
		if err != nil || wave != (pause == 10*time.Minute) {
			t.Errorf("after %v: %v, %v", pause, wave, err)
		}
	}
}

// TestTheIndexSaysWhatTheEvaluationSays: the figures of docs/burst-detection.md come from an exact comparison; the way through
// the service flags the same.
func TestTheIndexSaysWhatTheEvaluationSays(t *testing.T) {
	t.Parallel()
	r := newRig(t, 0)
	cfg := config.Read[burst.Config](config.FromMap(nil))
	history := bursts.History(bursts.Tuning[2], 5)
	attack := slices.IndexFunc(history, func(s bursts.SignUp) bool { return s.Crowd == "" })
	history = history[attack-50 : attack+250]
	want := bursts.Compare(history, burst.Chosen(), key(t), []float64{cfg.Similarity}).InBurst(cfg, 0)
	start, different, caught := r.now.Truncate(24*time.Hour), 0, 0
	for i, s := range history {
		r.now = start.Add(s.At)
		wave, err := r.signUp(s.SignUp)
		if err != nil {
			t.Fatal(err)
		}
		if wave != want(i) {
			different++
		}
		if wave {
			caught++
		}
	}
	if different > len(history)/100 || caught < 50 { // whole seconds, and 32-bit scores at the threshold
		t.Errorf("%d of %d sign-ups are judged differently, %d are of the wave", different, len(history), caught)
	}
}

func TestTheVectorTellsNothingWithoutTheKey(t *testing.T) {
	t.Parallel()
	other, err := pseudonym.NewKey(pseudonym.Config{Pepper: config.Seal(strings.Repeat("B", 43) + "=")})
	if err != nil {
		t.Fatal(err)
	}
	a, _ := burst.Chosen().Vectors(key(t), robot(1))
	_, b := burst.Chosen().Vectors(other, robot(1))
	if cosine, square := product(a, b), product(a, a); cosine > 0.3 || square < 0.999 || square > 1.001 {
		t.Errorf("cosine %.2f with another key, length² %.3f", cosine, square)
	}
}

// TestOneNetworkCountsAgainstLikeness: two sign-ups from one network are less alike than the same from two.
func TestOneNetworkCountsAgainstLikeness(t *testing.T) {
	t.Parallel()
	from := func(n byte) burst.SignUp {
		s := robot(1)
		s.Network = netip.AddrFrom4([4]byte{198, 51, n, 9})
		return s
	}
	asked, same := burst.Chosen().Vectors(key(t), from(1))
	_, other := burst.Chosen().Vectors(key(t), from(2))
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

func TestMistakesInTheConfiguration(t *testing.T) {
	t.Parallel()
	for name, vars := range map[string]map[string]string{
		"UPSTASH_VECTOR_REST_TOKEN": {"UPSTASH_VECTOR_REST_URL": "https://x.upstash.io"},
		"UPSTASH_VECTOR_REST_URL":   {"UPSTASH_VECTOR_REST_URL": "x.upstash.io", "UPSTASH_VECTOR_REST_TOKEN": "t"},
	} {
		env := config.FromMap(vars)
		config.Read[burst.Config](env)
		if err := env.Err(); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not refused: %v", name, err)
		}
	}
}
