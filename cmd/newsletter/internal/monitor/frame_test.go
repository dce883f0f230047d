package monitor

import (
	"errors"
	"flag"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"newsletter/shared/alert"
	"newsletter/shared/healthcheck"
	"newsletter/shared/outbox"
	"newsletter/shared/requeststats"
	"newsletter/shared/snapshot"
)

var update = flag.Bool("update", false, "write the golden frames anew")

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return noon.Add(-d) }

func ramp(from, step float64) (s snapshot.Series) {
	for i := range s {
		s[i] = max(0, from+step*float64(i))
	}
	return s
}

func unknown() snapshot.Series { return ramp(math.NaN(), 0) }

// troubled is an installation with some of everything.
func troubled() snapshot.Snapshot {
	const ms = time.Millisecond
	closed := ago(3 * time.Hour)
	s := snapshot.Snapshot{
		At: ago(2 * time.Second),
		Health: snapshot.Health{
			At: ago(14 * time.Second), Status: healthcheck.Warn, Limiter: "redis", Memory: 12.4, Every: time.Minute,
			Checks: map[string]healthcheck.Status{}, TookMS: map[string]float64{}, Ready: ramp(2, 3), Overdue: ramp(0, 1),
		},
		Routes: []snapshot.Route{
			{Name: "confirm GET", Requests: 611, P50: 2 * ms, P95: 9 * ms, P99: 17 * ms, Counts: ramp(40, 2), Slowest: ramp(9e6, 0)},
			{Name: "health GET", Requests: 60, P50: ms, P95: 3 * ms, P99: 4 * ms, Counts: ramp(5, 0), Slowest: unknown()},
			{Name: "subscribe POST", Requests: 12045, Errors: 7, P50: 12 * ms, P95: 143 * ms, P99: 612 * ms, Counts: ramp(10, 180), Slowest: ramp(20e6, 11e6), Usual: requeststats.Usual{Median: 43 * ms, MAD: 2100 * time.Microsecond, Weeks: 6}},
			{Name: "unsubscribe POST", Requests: 3, P50: 8 * ms, P95: 8 * ms, P99: 8 * ms, Counts: ramp(0, 0.1), Slowest: unknown()},
		},
		SignUps: snapshot.SignUps{Requested: ramp(10, 180), Confirmed: ramp(9, 4), Unsubscribed: ramp(0, 0)},
		Depth:   outbox.Depth{Ready: 412, Held: 3, Dead: 1, OldestDue: 14 * time.Second},
		Deliveries: snapshot.Deliveries{
			Destinations: map[string]*snapshot.Destination{
				"email": {Delivered: 8421, LastDelivered: ago(time.Second)}, "slack": {Delivered: 12, DeadLettered: 1, LastDelivered: ago(40 * time.Minute)},
				"loops": {Delivered: 611, Retrying: 4, LastDelivered: ago(6 * time.Minute)}, "journal": {Delivered: 2, LastDelivered: ago(20 * time.Minute)},
			},
			Pauses: []outbox.Pause{{Destination: "webhook-1", Reason: "gone", At: ago(2 * time.Hour)}},
		},
		Alerts: snapshot.Alerts{
			Firing: []alert.Alert{
				{Rule: alert.Bombing, Severity: alert.Critical, Summary: "198 sign-ups a minute in the last 15 minutes, of which 3 % were confirmed.", FiringSince: ago(9 * time.Minute)},
				{Rule: alert.Slower, Subject: "subscribe POST", Severity: alert.Warning, Summary: "The 95th percentile of subscribe POST is 143 ms, usually 43 ms at this hour of the week.", FiringSince: ago(12 * time.Minute)},
			},
			Resolved: []alert.Alert{{Rule: alert.Limiter, FiringSince: ago(3*time.Hour + 12*time.Minute), ResolvedAt: &closed}},
		},
	}
	for i, name := range []string{"integrations", "limiter", "memory", "migrations", "outbox", "pool", "postgres", "redis"} {
		s.Health.Checks[name], s.Health.TookMS[name] = healthcheck.Pass, float64(i)+0.5
	}
	s.Health.Checks["outbox"] = healthcheck.Warn
	return s
}

func view(width, height int) View {
	return View{Installation: "prod db.example.org/newsletter", Now: noon, Every: 5 * time.Second, Width: width, Height: height}
}

// TestFrames holds what is drawn to the frames in testdata, which are to be looked at when they change.
func TestFrames(t *testing.T) {
	t.Parallel()
	silent, lost := troubled(), view(80, 24)
	silent.Health.At = ago(23 * time.Minute)
	lost.ReadError = errors.New("no answer within 5s")
	once := view(100, 0)
	once.Every = 0
	for name, test := range map[string]struct {
		view     View
		snapshot snapshot.Snapshot
	}{
		"80x24": {view(80, 24), troubled()}, "140x40": {view(140, 40), troubled()}, "60x12": {view(60, 12), troubled()},
		"once": {once, troubled()}, "silent": {view(80, 24), silent}, "lost": {lost, troubled()}, "lost-from-the-start": {lost, snapshot.Snapshot{}},
		"new": {view(80, 24), snapshot.Snapshot{At: noon, Health: snapshot.Health{Ready: unknown(), Overdue: unknown()}}}, "reading": {view(80, 24), snapshot.Snapshot{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Frame(test.view, test.snapshot)
			coloured := test.view
			coloured.Paint = true
			if plain := ansi.Strip(Frame(coloured, test.snapshot)); plain != got {
				t.Errorf("with colours it reads\n%s\nand without\n%s", plain, got)
			}
			lines := strings.Split(got, "\n")
			for _, text := range lines {
				if ansi.StringWidth(text) > test.view.Width {
					t.Errorf("wider than %d: %q", test.view.Width, text)
				}
			}
			if test.view.Height > 0 && len(lines) > test.view.Height {
				t.Errorf("%d lines, room for %d", len(lines), test.view.Height)
			}
			path := filepath.Join("testdata", name+".txt")
			if *update {
				if err := os.WriteFile(path, []byte(got+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got+"\n" != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// TestNoSizeBreaksIt: a terminal may be made as small as one likes, in any state.
func TestNoSizeBreaksIt(t *testing.T) {
	t.Parallel()
	for width := range 130 {
		for height := 1; height < 45; height++ {
			v := view(width, height)
			for _, v.ReadError = range []error{nil, errors.New("lost")} {
				if lines := strings.Split(Frame(v, troubled()), "\n"); len(lines) > height {
					t.Fatalf("%d lines in %dx%d", len(lines), width, height)
				}
			}
		}
	}
}

func TestSilence(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		age, every time.Duration
		silent     bool
	}{
		"just now":             {0, time.Minute, false},
		"four pings missing":   {5 * time.Minute, time.Minute, false},
		"five pings missing":   {5*time.Minute + time.Second, time.Minute, true},
		"an hourly one":        {3 * time.Hour, time.Hour, false},
		"an hourly one, later": {3*time.Hour + time.Second, time.Hour, true},
		"the first one":        {5 * time.Minute, 0, false},
	} {
		s := snapshot.Snapshot{Health: snapshot.Health{At: ago(test.age), Every: test.every, Status: healthcheck.Pass}}
		want := healthcheck.Pass
		if test.silent {
			want = healthcheck.Fail
		}
		if got := s.Status(noon); s.Health.Silent(noon) != test.silent || got != want {
			t.Errorf("%s: silent %t, %s", name, s.Health.Silent(noon), got)
		}
	}
	if got := (snapshot.Snapshot{}).Status(noon); got != healthcheck.Fail {
		t.Errorf("%s, although health has never looked", got)
	}
}

// TestLimitsAreShown checks that figures which count only the latest rows are marked.
func TestLimitsAreShown(t *testing.T) {
	s := troubled()
	s.SignUps.Capped, s.Deliveries.Capped = true, true
	if text := Frame(View{Now: noon, Width: 80}, s); !strings.Contains(text, "≥ ") || !strings.Contains(text, "THE LATEST 20000") {
		t.Errorf("the limit is not shown: %s", text)
	}
}
