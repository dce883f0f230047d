package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/internal/fixtures/sqlcheck"
)

func TestStatementsFitTheSchema(t *testing.T) {
	t.Parallel()
	sqlcheck.Prepare(t, functiontest.New(t).Admin, ".")
}

func TestDue(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 10, 0, 30, 0, 0, time.UTC)
	for name, test := range map[string]struct {
		last time.Time
		want bool
	}{
		"never":            {time.Time{}, true},
		"an hour ago":      {now.Add(-time.Hour), true}, // the day before
		"this day":         {now.Add(-30 * time.Minute), false},
		"another zone":     {now.Add(-29 * time.Minute).In(time.FixedZone("", -3600)), false},
		"days ago":         {now.AddDate(0, 0, -3), true},
		"in the future":    {now.AddDate(100, 0, 0), true},
		"at the same time": {now, false},
	} {
		if got := due(test.last, now); got != test.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// at runs the function at a time from now.
func (b *fixture) at(ahead time.Duration) (result, error) {
	b.Helper()
	b.ahead = ahead
	value, err := b.open().Event(b.Context(), functiontest.Sample(b, "maintain", "scheduled"))
	done, _ := value.(result)
	return done, err
}

// TestDailyWork runs the function every hour over four days, one of which has no run, and one whose first runs fail.
func TestDailyWork(t *testing.T) {
	t.Parallel()
	b := setup(t)
	day := time.Until(time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, 2)) // the start of a day
	b.SignUp("jane@example.org")
	daily, verified := 0, 0
	for hour := range 4 * 24 {
		if hour >= 24 && hour < 48 { // no run
			continue
		}
		if fails := hour == 72; fails {
			b.Exec(`alter table erasures rename to lost`)
		}
		done, err := b.at(day + time.Duration(hour)*time.Hour + 5*time.Minute)
		if hour == 72 {
			b.Exec(`alter table lost rename to erasures`)
			if err == nil {
				t.Error("the failed run succeeds")
			}
			continue
		}
		if err != nil {
			t.Fatalf("hour %d: %v", hour, err)
		}
		first := hour == 0 || hour == 48 || hour == 73 // the day without a run is made up for, and the failed one
		if (done.Counts != nil) != first {
			t.Errorf("hour %d: %+v", hour, done)
		}
		if done.Counts != nil {
			daily++
		}
		if done.Verified != nil {
			verified++
			if len(done.Verified.Findings) != 0 {
				t.Errorf("hour %d: %+v", hour, done.Verified)
			}
		}
	}
	if daily != 3 || verified != 2 || b.count("ledger_events where kind = 'maintenance.run'") != 4 { // the run that failed is recorded, too
		t.Errorf("%d days, %d verifications, %d records", daily, verified, b.count("ledger_events where kind = 'maintenance.run'"))
	}
	if anchored, seals := b.count("ledger_seals where anchored_at is not null"), b.count("ledger_seals"); anchored != seals || seals == 0 {
		t.Errorf("%d of %d seals are anchored", anchored, seals)
	}
}

// TestFailedVerification checks that findings are an error and are stored for the alert, and that a later verification
// without any ends it.
func TestFailedVerification(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.SignUp("jane@example.org")
	if _, err := b.at(24 * time.Hour); err != nil {
		t.Fatal(err)
	}
	b.Exec(`update ledger_events set channel = 'forged' where kind = 'subscription.requested'`)
	if _, err := b.at(48 * time.Hour); err == nil || !strings.Contains(err.Error(), "1 findings") {
		t.Errorf("%v", err)
	}
	if b.count("maintenance where task = 'verification' and problems = 1") != 1 || b.count("maintenance where task = 'daily' and at > now() + interval '47 hours'") != 1 {
		t.Errorf("%v", b.Strings(`select task || ' ' || problems || ' ' || at from maintenance`))
	}
	b.Exec(`update ledger_events set channel = 'api' where channel = 'forged'`)
	if done, err := b.at(72 * time.Hour); err != nil || done.Verified == nil || b.count("maintenance where problems <> 0") != 0 {
		t.Errorf("%+v %v", done, err)
	}
}

// TestLostAnchors checks that the daily work is done while seals cannot be anchored, and that the next run anchors them.
func TestLostAnchors(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.SignUp("jane@example.org")
	folder := strings.TrimPrefix(b.Variables["ANCHOR_URL"], "file://")
	if err := os.WriteFile(folder, nil, 0o600); err != nil { // no folder
		t.Fatal(err)
	}
	if _, err := b.at(24 * time.Hour); err == nil {
		t.Error("no error")
	}
	if b.count("ledger_seals where anchored_at is null") != 1 || b.count("maintenance where task = 'daily'") != 1 || b.count("maintenance where task = 'verification'") != 0 {
		t.Error("the rest was not done, or the verification was")
	}
	if err := os.Remove(folder); err != nil {
		t.Fatal(err)
	}
	done, err := b.at(25 * time.Hour)
	if err != nil || done.Anchors == 0 || done.Verified == nil {
		t.Errorf("%+v %v", done, err)
	}
	if files, _ := filepath.Glob(filepath.Join(folder, "seals", "v1", "*.json")); len(files) != b.count("ledger_seals") {
		t.Errorf("%v", files)
	}
}
