package ledger_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"newsletter/shared/ledger"
)

// TestLaterChangesAreFound checks that Verify finds every change that a superuser can make afterwards.
func TestLaterChangesAreFound(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	var ids []uuid.UUID
	for range 4 {
		ids = append(ids, l.write(), l.write())
		l.now = l.now.Add(time.Hour)
	}
	l.now = l.now.Add(time.Hour)
	made := l.seal()
	if len(made) != 4 {
		t.Fatalf("%d seals", len(made))
	}
	hour := made[1].From.Format(time.RFC3339)
	for name, test := range map[string]struct{ sql, what string }{
		"changed":            {fmt.Sprintf(`update ledger_events set data = '{"outcome":"other"}' where id = '%s'`, ids[2]), "changed"},
		"another person":     {fmt.Sprintf(`update ledger_events set subscriber_id = '%s' where id = '%s'`, uuid.New(), ids[3]), "changed"},
		"another time":       {fmt.Sprintf(`update ledger_events set at = at + interval '1 microsecond' where id = '%s'`, ids[2]), "changed"},
		"removed":            {fmt.Sprintf(`delete from ledger_events where id = '%s'`, ids[2]), "removed"},
		"added":              {fmt.Sprintf(`insert into ledger_events select '%s', at, kind, subscriber_id, actor, channel, source, consent_text_id, request_id, data from ledger_events where id = '%s'`, uuid.New(), ids[2]), "added"},
		"before the first":   {fmt.Sprintf(`insert into ledger_events select '%s', at - interval '10 days', kind, subscriber_id, actor, channel, source, consent_text_id, request_id, data from ledger_events where id = '%s'`, uuid.New(), ids[0]), "before the first seal"},
		"a seal changed":     {fmt.Sprintf(`update ledger_seals set events = 3 where id = '%s'`, made[1].ID), "the seal was changed"},
		"a seal removed":     {fmt.Sprintf(`delete from ledger_seals where id = '%s'`, made[1].ID), "the previous seal was changed, removed"},
		"the first removed":  {fmt.Sprintf(`delete from ledger_seals where id = '%s'`, made[0].ID), "the previous seal was changed, removed"},
		"the last removed":   {fmt.Sprintf(`delete from ledger_seals where id = '%s'`, made[3].ID), "not in the chain"},
		"a consent replaced": {fmt.Sprintf(`update ledger_events set consent_text_id = '01900000-0000-7000-8000-000000000001' where id = '%s'`, ids[2]), "changed"},
	} {
		l.exec("begin")
		l.exec("create table kept_events as table ledger_events")
		l.exec("create table kept_seals as table ledger_seals")
		l.exec("commit")
		l.exec(test.sql)
		report := l.verify(made[3].Hash)
		if len(report.Findings) == 0 || !strings.Contains(fmt.Sprint(report.Findings), test.what) {
			t.Errorf("%s: %+v", name, report.Findings)
		}
		if (test.what == "changed" || test.what == "removed" || test.what == "added") && report.Findings[0].From.Format(time.RFC3339) != hour {
			t.Errorf("%s: found in the wrong hour: %+v", name, report.Findings)
		}
		for _, table := range []string{"events", "seals"} {
			l.exec("delete from ledger_" + table)
			l.exec("insert into ledger_" + table + " table kept_" + table)
			l.exec("drop table kept_" + table)
		}
		if report := l.verify(made[3].Hash); len(report.Findings) != 0 {
			t.Fatalf("%s was not undone: %+v", name, report.Findings)
		}
	}
}

// TestMissingSealsAreFound checks that events not sealed in time are found, on a new installation and after seals
// were removed.
func TestMissingSealsAreFound(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	if report := l.verify(); len(report.Findings) != 0 {
		t.Errorf("an empty ledger: %+v", report)
	}
	first := l.now
	l.write()
	l.now = first.Add(ledger.Overdue)
	if report := l.verify(); len(report.Findings) != 0 {
		t.Errorf("in time: %+v", report)
	}
	l.now = l.now.Add(time.Microsecond)
	late := func(what string) {
		t.Helper()
		report := l.verify()
		if len(report.Findings) != 1 || !report.Findings[0].From.Equal(first) || !strings.Contains(report.Findings[0].What, "not sealed") {
			t.Errorf("%s: %+v", what, report)
		}
	}
	late("nothing was ever sealed")
	if made := l.seal(); len(made) != 1 {
		t.Fatalf("%+v", made)
	}
	if report := l.verify(); len(report.Findings) != 0 {
		t.Errorf("sealed: %+v", report)
	}
	l.exec("delete from ledger_seals")
	late("the seals were removed")
	l.seal()
	l.now = l.now.Add(3 * time.Hour)
	first = l.now
	l.write()
	l.now = l.now.Add(ledger.Overdue + time.Microsecond)
	late("maintain stopped")
}
