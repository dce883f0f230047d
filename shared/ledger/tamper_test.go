package ledger_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"newsletter/shared/anchor"
	"newsletter/shared/ledger"
)

// anchored is a ledger whose seals are anchored in a folder.
type anchored struct {
	*sealTest
	anchors *anchor.Anchors
	folder  string
}

func newAnchored(t *testing.T) *anchored {
	t.Helper()
	l := &anchored{sealTest: newLedger(t), folder: t.TempDir()}
	anchors, err := anchor.New(anchor.Config{URL: "file://" + l.folder})
	if err != nil {
		t.Fatal(err)
	}
	l.anchors = anchors
	return l
}

// run seals and anchors, as a run of maintain does.
func (l *anchored) run() {
	l.Helper()
	l.seal()
	seals, err := l.sealer().Unanchored(l.Context())
	if err != nil {
		l.Fatal(err)
	}
	for _, seal := range seals {
		if err := l.anchors.Write(l.Context(), anchor.Anchor{To: seal.To, Hash: seal.Hash, Events: seal.Events}); err != nil {
			l.Fatal(err)
		}
		if err := l.sealer().SetAnchored(l.Context(), seal); err != nil {
			l.Fatal(err)
		}
	}
}

// compare verifies the ledger against its seals and anchors.
func (l *anchored) compare() ledger.Report {
	l.Helper()
	anchors, err := l.anchors.List(l.Context())
	if err != nil {
		l.Fatal(err)
	}
	report, err := l.sealer().Verify(l.Context(), ledger.Outside{Anchors: anchors})
	if err != nil {
		l.Fatal(err)
	}
	return report
}

// forge makes all seals again for what the ledger holds now, as the owner of the schema can.
func (l *anchored) forge() {
	l.Helper()
	l.exec(`delete from ledger_seals`)
	l.seal()
	l.exec(`update ledger_seals set anchored_at = to_at`)
}

// files returns the anchors in the folder, oldest first.
func (l *anchored) files() []string {
	l.Helper()
	files, err := filepath.Glob(filepath.Join(l.folder, "seals", "v1", "*.json"))
	if err != nil || len(files) == 0 {
		l.Fatalf("%v %v", files, err)
	}
	return files
}

func (l *anchored) remove(files ...string) {
	l.Helper()
	for _, file := range files {
		if err := os.Remove(file); err != nil {
			l.Fatal(err)
		}
	}
}

// TestTamperingIsFound tries what the owner of the schema and the owner of the bucket can do to a ledger of ten hours,
// with the seals made again or not. No hash is kept by hand.
func TestTamperingIsFound(t *testing.T) {
	t.Parallel()
	const (
		insert = `insert into ledger_events select '%s', %s, kind, subscriber_id, actor, channel, source, consent_text_id, request_id, data from ledger_events where id = '%s'`
		gone   = "was anchored and is not in the chain"
		late   = "the seal is not anchored"
	)
	for name, test := range map[string]struct {
		tamper func(l *anchored, ids []uuid.UUID)
		found  string
	}{
		"update": {func(l *anchored, ids []uuid.UUID) {
			l.exec(`update ledger_events set data = '{}' where id = $1`, ids[4])
		}, "changed"},
		"delete":            {func(l *anchored, ids []uuid.UUID) { l.exec(`delete from ledger_events where id = $1`, ids[4]) }, "removed"},
		"insert, backdated": {func(l *anchored, ids []uuid.UUID) { l.exec(fmt.Sprintf(insert, uuid.New(), "at", ids[4])) }, "added"},
		"insert, before the first": {func(l *anchored, ids []uuid.UUID) {
			l.exec(fmt.Sprintf(insert, uuid.New(), "at - interval '10 days'", ids[0]))
		}, "added before the first seal"},
		"update, sealed again": {func(l *anchored, ids []uuid.UUID) {
			l.exec(`update ledger_events set subscriber_id = $2 where id = $1`, ids[4], uuid.New())
			l.forge()
		}, gone},
		"delete, sealed again": {func(l *anchored, ids []uuid.UUID) {
			l.exec(`delete from ledger_events where id = $1`, ids[9])
			l.forge()
		}, gone},
		"insert, sealed again": {func(l *anchored, ids []uuid.UUID) {
			l.exec(fmt.Sprintf(insert, uuid.New(), "at - interval '10 days'", ids[0]))
			l.forge()
		}, gone},
		"update, sealed again, and anchored again by maintain": {func(l *anchored, ids []uuid.UUID) {
			l.exec(`update ledger_events set data = '{}' where id = $1`, ids[4])
			l.exec(`delete from ledger_seals`)
			l.run()
		}, gone},
		"the newest seals and events deleted": {func(l *anchored, ids []uuid.UUID) {
			l.exec(`delete from ledger_seals where to_at > (select at from ledger_events where id = $1)`, ids[12])
			l.exec(`delete from ledger_events where id = any ($1)`, ids[12:])
		}, gone},
		"the newest seals and events deleted, others written": {func(l *anchored, ids []uuid.UUID) {
			l.exec(`delete from ledger_seals where to_at > (select at from ledger_events where id = $1)`, ids[12])
			l.exec(`update ledger_events set request_id = 'forged' where id = any ($1)`, ids[12:])
			l.run()
		}, gone},
		"everything deleted": {func(l *anchored, _ []uuid.UUID) {
			l.exec(`delete from ledger_seals`)
			l.exec(`delete from ledger_events`)
		}, gone},
		"an anchor dropped":   {func(l *anchored, _ []uuid.UUID) { l.remove(l.files()[3]) }, late},
		"all anchors dropped": {func(l *anchored, _ []uuid.UUID) { l.remove(l.files()...) }, late},
		"all anchors dropped, sealed again": {func(l *anchored, ids []uuid.UUID) {
			l.exec(`update ledger_events set data = '{}' where id = $1`, ids[4])
			l.forge()
			l.remove(l.files()...)
		}, late},
		"an anchor replaced": {func(l *anchored, _ []uuid.UUID) {
			file := l.files()[3]
			l.remove(file)
			replaced := strings.Replace(filepath.Base(file), "Z-", "Z-0", 1)
			if err := os.WriteFile(filepath.Join(filepath.Dir(file), replaced[:len("2026-03-01T11Z-")+64]+".json"), nil, 0o600); err != nil {
				l.Fatal(err)
			}
		}, late},
		"an anchor moved to another hour": {func(l *anchored, _ []uuid.UUID) {
			file := l.files()[3]
			if err := os.Rename(file, strings.Replace(file, "T14Z", "T13Z", 1)); err != nil {
				l.Fatal(err)
			}
		}, gone},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newAnchored(t)
			var ids []uuid.UUID
			for range 10 {
				ids = append(ids, l.write(), l.write())
				l.now = l.now.Add(time.Hour)
				l.run()
			}
			l.now = l.now.Add(2 * time.Hour)
			l.run()
			if report := l.compare(); len(report.Findings) != 0 || report.Seals != 10 || report.Anchors != 10 || report.Events != 20 {
				t.Fatalf("before: %+v", report)
			}
			test.tamper(l, ids)
			if report := l.compare(); !strings.Contains(fmt.Sprint(report.Findings), test.found) {
				t.Errorf("%+v, want %q", report, test.found)
			}
		})
	}
}

// TestWhatIsOlderThanThreeHoursIsProven runs maintain once an hour, at every phase of the hour, and rewrites the newest
// event that is older than three hours, with all seals made again.
func TestWhatIsOlderThanThreeHoursIsProven(t *testing.T) {
	t.Parallel()
	const step = 10 * time.Minute
	for phase := range 6 {
		t.Run(fmt.Sprint(phase), func(t *testing.T) {
			t.Parallel()
			l := newAnchored(t)
			start := l.now.Truncate(time.Hour)
			events := map[time.Time]uuid.UUID{}
			for i := range 36 { // six hours
				l.now = start.Add(time.Duration(i) * step)
				events[l.now] = l.write()
				if i%6 == phase {
					l.run()
				}
			}
			if report := l.compare(); len(report.Findings) != 0 {
				t.Fatalf("before: %+v", report.Findings)
			}
			l.exec(`update ledger_events set request_id = 'forged' where id = $1`, events[l.now.Add(-ledger.Overdue)])
			l.forge()
			if report := l.compare(); len(report.Findings) == 0 {
				t.Error("not found")
			}
		})
	}
}

// TestLateAnchors checks that a seal without an anchor is found when the oldest of its events is three hours old, and
// that seals of a time without anchors are anchored by the next run.
func TestLateAnchors(t *testing.T) {
	t.Parallel()
	l := newAnchored(t)
	l.now = l.now.Truncate(time.Hour) // 10:00
	l.write()
	l.now = l.now.Add(ledger.Overdue - time.Second)
	l.seal()
	if report := l.compare(); len(report.Findings) != 0 {
		t.Errorf("in time: %+v", report)
	}
	l.now = l.now.Add(time.Second)
	if report := l.compare(); len(report.Findings) != 1 || !strings.Contains(report.Findings[0].What, "not anchored") {
		t.Errorf("late: %+v", report)
	}
	l.run()
	if report := l.compare(); len(report.Findings) != 0 || report.Anchors != 1 {
		t.Errorf("anchored: %+v", report)
	}
}
