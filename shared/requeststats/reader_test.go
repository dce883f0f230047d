package requeststats

import (
	"math"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"newsletter/internal/fixtures/testenv"
	"newsletter/shared/postgres"
)

// open returns a new database and a pool of it.
func open(t *testing.T) (*testenv.Database, *postgres.DB) {
	t.Helper()
	database := testenv.Postgres(t)
	db := database.Pool(t)
	return database, db
}

// TestAssess stores ten weeks of three routes: one as usual, one that rises by the day and became slow twenty minutes
// ago, and one that rises and has requests only at night. Cold starts must not change them.
func TestAssess(t *testing.T) {
	t.Parallel()
	database, db := open(t)
	now := time.Date(2026, 3, 11, 15, 32, 0, 0, time.UTC)
	var rows [][]any
	add := func(span int, slot time.Time, endpoint string, took time.Duration, n int) {
		rows = append(rows, []any{span, slot, endpoint, 2, false, bucketOf(took), n}, []any{span, slot, endpoint, 5, true, bucketOf(3 * time.Second), 5})
	}
	for hour := now.Truncate(time.Hour).AddDate(0, 0, -70); hour.Before(now); hour = hour.Add(time.Hour) {
		add(3600, hour, "confirm GET", 40*time.Millisecond, 600)
		rise := max(0, 14-int(now.Sub(hour).Hours()/24)) // 5 ms a day within the last two weeks
		if hour.Hour() == 3 {
			add(3600, hour, "privacy GET", 60*time.Millisecond+time.Duration(5*rise)*time.Millisecond, 60)
		}
		add(3600, hour, "subscribe POST", 60*time.Millisecond+time.Duration(5*rise)*time.Millisecond, 600)
	}
	for slot := now.Truncate(5 * time.Minute).Add(-2 * time.Hour); slot.Before(now); slot = slot.Add(5 * time.Minute) {
		add(300, slot, "confirm GET", 40*time.Millisecond, 100)
		took := 65 * time.Millisecond
		if now.Sub(slot) < 20*time.Minute {
			took = 200 * time.Millisecond
		}
		add(300, slot, "subscribe POST", took, 100)
	}
	fill(t, database, rows)
	r := NewReader(db, func() time.Time { return now })
	all, err := r.Assess(t.Context())
	if err != nil || len(all) != 3 {
		t.Fatalf("%v %+v", err, all)
	}
	fast, quiet, slow := all[0], all[1], all[2]
	if quiet.Endpoint != "privacy GET" || len(quiet.Last) != 0 || quiet.Usual.Weeks != 0 || quiet.Slower || !quiet.Trend.Rising {
		t.Errorf("%+v", quiet)
	}
	if fast.Endpoint != "confirm GET" || fast.Slower || fast.Trend.Rising || fast.Usual.Weeks != 6 || len(fast.Last) != 5 || !near(fast.Usual.Median, 40*time.Millisecond) ||
		fast.Last[0].Requests != 100 {
		t.Errorf("%+v", fast)
	}
	if !slow.Slower || !slow.Trend.Rising || !near(slow.Last[4].P95, 200*time.Millisecond) || !near(slow.Usual.Median, 60*time.Millisecond) {
		t.Errorf("%+v", slow)
	}
	if perDay := float64(slow.Trend.PerDay) / 1e6; math.Abs(perDay-5) > 1 {
		t.Errorf("%.1f ms a day, want about 5", perDay)
	}
	if in, crosses := slow.Trend.Crosses(200 * time.Millisecond); !crosses || in < 10 || in > 20 {
		t.Errorf("crosses in %.1f days (%v); expected 15, from 125 ms", in, crosses)
	}
	cold, err := r.ColdStarts(t.Context(), 7)
	if err != nil || len(cold["subscribe POST"]) != 1 || !near(cold["subscribe POST"][0].P95, 3*time.Second) || cold["subscribe POST"][0].Errors == 0 {
		t.Errorf("%v %+v", err, cold)
	}
	hours, err := r.Hours(t.Context(), 24)
	if err != nil || len(hours["confirm GET"]) != 24 || !hours["confirm GET"][23].At.Equal(now.Truncate(time.Hour)) {
		t.Errorf("%v %+v", err, hours["confirm GET"])
	}
}

// near reports whether two durations differ by less than a bucket.
func near(got, want time.Duration) bool { return math.Abs(float64(got)/float64(want)-1) < 0.0906 }

func TestAssessEmptyDatabase(t *testing.T) {
	t.Parallel()
	_, db := open(t)
	if all, err := NewReader(db, time.Now).Assess(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("%v %+v", err, all)
	}
}

// fill inserts rows into request_stats.
func fill(t *testing.T, database *testenv.Database, rows [][]any) {
	t.Helper()
	columns := []string{"span", "slot", "endpoint", "class", "cold", "bucket", "requests"}
	if _, err := database.AppConn(t).CopyFrom(t.Context(), pgx.Identifier{"request_stats"}, columns, pgx.CopyFromRows(rows)); err != nil {
		t.Fatal(err)
	}
}

// TestAssessAcrossHours checks that each interval is compared with its own hour, where a slow hour is followed by a
// fast one, and that a route without recent requests keeps its trend.
func TestAssessAcrossHours(t *testing.T) {
	t.Parallel()
	database, db := open(t)
	base := time.Date(2026, 3, 11, 16, 0, 0, 0, time.UTC)
	took := func(at time.Time) int {
		if at.Before(base) {
			return bucketOf(200 * time.Millisecond)
		}
		return bucketOf(50 * time.Millisecond)
	}
	var rows [][]any
	for week := range 6 {
		for _, hour := range []time.Time{base.Add(-time.Hour), base} {
			rows = append(rows, []any{3600, hour.AddDate(0, 0, -7*(week+1)), "subscribe POST", 2, false, took(hour), 600})
		}
	}
	for slot := base.Add(-time.Hour); slot.Before(base.Add(time.Hour)); slot = slot.Add(5 * time.Minute) {
		rows = append(rows, []any{300, slot, "subscribe POST", 2, false, took(slot), 100})
	}
	for day := range 14 {
		at := base.Truncate(24*time.Hour).AddDate(0, 0, day-14)
		rows = append(rows, []any{3600, at, "privacy GET", 2, false, bucketOf(time.Duration(100+10*day) * time.Millisecond), 60})
	}
	fill(t, database, rows)
	for after := -10 * time.Minute; after < 40*time.Minute; after += 5 * time.Minute {
		now := base.Add(after + time.Minute)
		all, err := NewReader(db, func() time.Time { return now }).Assess(t.Context())
		if err != nil || len(all) != 2 || all[0].Endpoint != "privacy GET" || !all[0].Trend.Rising {
			t.Fatalf("%v %+v", err, all)
		}
		if all[1].Slower {
			t.Errorf("at %s it is slower than usual: %+v", now.Format(time.TimeOnly), all[1])
		}
	}
}
