package journal

import (
	"context"
	"strings"
	"testing"
	"time"

	"newsletter/internal/local/devstack"
	"newsletter/shared/outbox"
)

func s3Says(code string) string {
	return `<?xml version="1.0" encoding="UTF-8"?><Error><Code>` + code + `</Code><Message>x</Message></Error>`
}

func TestS3Failures(t *testing.T) {
	for name, test := range map[string]struct {
		fault devstack.Fault
		want  outbox.Failure
	}{
		"slow down":            {devstack.Fault{Status: 503, Body: s3Says("SlowDown")}, outbox.Failure{Cause: "throttled", AffectsDestination: true}},
		"too many":             {devstack.Fault{Status: 429, RetryAfter: 3}, outbox.Failure{Cause: "throttled", AffectsDestination: true, RetryAfter: 3 * time.Second}},
		"broken":               {devstack.Fault{Status: 500, Body: s3Says("InternalError")}, outbox.Failure{Cause: "status_500"}},
		"no right":             {devstack.Fault{Status: 403, Body: s3Says("AccessDenied")}, outbox.Failure{Cause: "unauthorized", AffectsDestination: true, NeedsOwner: true}},
		"no bucket":            {devstack.Fault{Status: 404, Body: s3Says("NoSuchBucket")}, outbox.Failure{Cause: "not_set_up", AffectsDestination: true, NeedsOwner: true}},
		"another region":       {devstack.Fault{Status: 301, Body: s3Says("PermanentRedirect")}, outbox.Failure{Cause: "not_set_up", AffectsDestination: true, NeedsOwner: true}},
		"at the same time":     {devstack.Fault{Status: 409, Body: s3Says("ConditionalRequestConflict")}, outbox.Failure{Cause: "status_409"}},
		"corrupted in transit": {devstack.Fault{Status: 400, Body: s3Says("BadDigest")}, outbox.Failure{Cause: "status_400"}},
		"expired credentials":  {devstack.Fault{Status: 400, Body: s3Says("ExpiredToken")}, outbox.Failure{Cause: "status_400", AffectsDestination: true, NeedsOwner: true}},
		"another service":      {devstack.Fault{Status: 200, Body: "<html>Log in"}, outbox.Failure{Cause: "bad_response"}},
		"an error inside":      {devstack.Fault{Status: 200, Body: s3Says("InternalError")}, outbox.Failure{Cause: "status_500"}},
		"no answer":            {devstack.Fault{Delay: time.Minute}, outbox.Failure{Cause: "timeout"}},
		"no end":               {devstack.Fault{Drip: time.Minute}, outbox.Failure{Cause: "timeout"}},
		"a lost answer":        {devstack.Fault{Lost: true}, outbox.Failure{Cause: "unreachable"}},
	} {
		t.Run(name, func(t *testing.T) {
			j, fake := inBucket(t)
			ctx := t.Context()
			if test.want.Cause == "timeout" {
				short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
				defer cancel()
				ctx = short
			}
			fake.Fail(test.fault)
			e := entry(0)
			got := failure(t, j.Write(ctx, e))
			if name == "no end" && got.Cause == "bad_response" { // detected by its header
				got.Cause = "timeout"
			}
			if got != test.want {
				t.Errorf("%+v, want %+v", got, test.want)
			}
			for _, n := range fake.Calls() {
				if n != 1 {
					t.Errorf("it tried %d times", n)
				}
			}
			write(t, j, e) // retry
			if entries, problems := read(t, j, start); len(entries) != 1 || len(problems) != 0 {
				t.Errorf("%v %v", entries, problems)
			}
		})
	}
}

func TestObjectKeys(t *testing.T) {
	j, fake := inBucket(t)
	e := entry(0)
	write(t, j, e)
	want := "site/news/journal/v1/2026/02/27/000022-1-" + e.ID.String() + ".json"
	if objects := fake.Objects(); len(objects) != 1 || objects[want] == nil {
		t.Errorf("%v", objects)
	}
}

// Read reports each unreadable entry and continues.
func TestReadSkipsUnreadableEntries(t *testing.T) {
	j, fake := inBucket(t)
	var keys []string
	for n := range 8 {
		e := entry(n)
		write(t, j, e)
		keys = append(keys, "site/news/"+e.key())
	}
	fake.Put(keys[1], []byte("{"))
	fake.Put(keys[2], []byte(`{"version":2}`))
	fake.Put(keys[3], fake.Objects()[keys[4]])
	fake.Corrupt(keys[5])
	fake.Put("site/news/journal/v1/2026/02/28/readme.txt", []byte("x"))
	fake.Put("site/news/other", []byte("x"))
	entries, problems := read(t, j, start)
	if len(entries) != 4 || len(problems) != 4 {
		t.Fatalf("%d entries, %v", len(entries), lines(problems))
	}
	for i, want := range []string{"incomplete or invalid", "version", "does not match its key", "checksum"} {
		if key := strings.TrimPrefix(keys[[]int{1, 2, 3, 5}[i]], "site/news/"); !strings.Contains(problems[i].Error(), want) || !strings.Contains(problems[i].Error(), key) {
			t.Errorf("%v, want %s", problems[i], want)
		}
	}
}

func TestReadRetries(t *testing.T) {
	j, fake := inBucket(t)
	write(t, j, entry(0))
	fake.Fail(devstack.Fault{Status: 500, Body: s3Says("InternalError")})
	if entries, problems := read(t, j, start); len(entries) != 1 || len(problems) != 0 {
		t.Errorf("%v %v", entries, problems)
	}
	fake.Fail(devstack.Fault{Status: 403, Body: s3Says("AccessDenied")})
	if entries, problems := read(t, j, start); len(entries) != 0 || len(problems) != 1 || !strings.Contains(problems[0].Error(), "list the journal") {
		t.Errorf("%v %v", entries, problems)
	}
}
