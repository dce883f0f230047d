package journal

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"newsletter/shared/config"
	"newsletter/shared/outbox"
)

func TestRead(t *testing.T) {
	eachStorage(t, func(t *testing.T, j *Journal) {
		if entries, problems := read(t, j, start); len(entries)+len(problems) != 0 {
			t.Fatalf("an empty journal: %v %v", entries, problems)
		}
		var want []Entry
		for n := range 80 { // four days, across the end of a month
			want = append(want, entry(n))
		}
		want[2].Reason, want[2].Until = "bounce", start.AddDate(0, 1, 0)
		want[2].Until = want[2].Until.Add(24*time.Hour - time.Nanosecond).Truncate(24 * time.Hour) // rounded up
		for i := range want {                                                                      // in another order
			write(t, j, want[(i*7)%len(want)])
		}
		for from, first := range map[int]int{0: 0, 1: 0, 2: 2, 30: 26, 79: 74, 120: 80} { // a whole day is read
			got, problems := read(t, j, start.Add(time.Duration(from)*time.Hour))
			if len(problems) != 0 || len(got) != len(want)-first {
				t.Fatalf("from %d: %d entries, %v", from, len(got), problems)
			}
			for i := range got {
				if !same(got[i], want[first+i]) {
					t.Fatalf("from %d: entry %d is %+v, want %+v", from, i, got[i], want[first+i])
				}
			}
		}
	})
}

func TestWriteIsIdempotent(t *testing.T) {
	eachStorage(t, func(t *testing.T, j *Journal) {
		first := entry(0)
		changed := first
		changed.Reason = "other"
		write(t, j, first, first, changed)
		if entries, problems := read(t, j, start); len(problems) != 0 || len(entries) != 1 || !same(entries[0], first) {
			t.Errorf("%v %v", entries, problems)
		}
	})
}

func TestConcurrentWrites(t *testing.T) {
	eachStorage(t, func(t *testing.T, j *Journal) {
		e, done := entry(0), make(chan error)
		for range 8 {
			go func() { done <- j.Write(context.Background(), e) }()
		}
		for range 8 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if entries, _ := read(t, j, start); len(entries) != 1 {
			t.Errorf("%d entries", len(entries))
		}
	})
}

func TestReadMayEndEarly(t *testing.T) {
	eachStorage(t, func(t *testing.T, j *Journal) {
		for n := range 9 {
			write(t, j, entry(n))
		}
		n := 0
		for _, err := range j.Read(t.Context(), start) {
			if n++; err != nil || n == 4 {
				break
			}
		}
		if n != 4 {
			t.Errorf("ended after %d", n)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for _, err := range j.Read(ctx, start) {
			if err == nil {
				t.Error("Read continued after the end of its context")
			}
		}
	})
}

// The format of an entry is stable: backups of any age are restored with it.
func TestEntryFormat(t *testing.T) {
	e := Entry{
		ID: uuid.MustParse("0199a000-0000-5000-8000-000000000001"), At: start.In(time.FixedZone("", 3600)), Kind: Suppressed, Epoch: 7, Reason: "complaint",
		EmailHMAC: make([]byte, 32), KeyID: "0a1b2c3d", Until: start.Add(time.Hour),
	}
	content, err := e.encode()
	const want = `{"version":1,"id":"0199a000-0000-5000-8000-000000000001","at":"2026-02-27T00:00:00Z","kind":"suppressed","epoch":7,` +
		`"reason":"complaint","email_hmac":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",` +
		`"key_id":"0a1b2c3d","until":"2026-02-28T00:00:00Z"}` + "\n"
	if err != nil || string(content) != want {
		t.Errorf("%s%v", content, err)
	}
	if e.key() != "journal/v1/2026/02/27/000007-1-0199a000-0000-5000-8000-000000000001.json" {
		t.Error(e.key())
	}
	if !json.Valid(content) {
		t.Error("it is not JSON")
	}
}

func TestWriteRefusesIncompleteEntries(t *testing.T) {
	eachStorage(t, func(t *testing.T, j *Journal) {
		for name, spoil := range map[string]func(*Entry){
			"no id":         func(e *Entry) { e.ID = uuid.Nil },
			"a dated id":    func(e *Entry) { e.ID = uuid.Must(uuid.NewV7()) },
			"no time":       func(e *Entry) { e.At = time.Time{} },
			"no kind":       func(e *Entry) { e.Kind = "" },
			"unknown kind":  func(e *Entry) { e.Kind = "Erased" },
			"no hash":       func(e *Entry) { e.EmailHMAC = nil },
			"short hash":    func(e *Entry) { e.EmailHMAC = e.EmailHMAC[:31] },
			"long hash":     func(e *Entry) { e.MailboxHMAC = make([]byte, 33) },
			"no key":        func(e *Entry) { e.KeyID = "" },
			"an address":    func(e *Entry) { e.Reason = "jane@example.org" },
			"free text":     func(e *Entry) { e.Reason = "she said so" },
			"key of a kind": func(e *Entry) { e.KeyID = "../../x" },
		} {
			e := entry(0)
			spoil(&e)
			if got := failure(t, j.Write(t.Context(), e)); got != (outbox.Failure{Cause: "bad_entry", Permanent: true}) {
				t.Errorf("%s: %+v", name, got)
			}
		}
		if entries, _ := read(t, j, time.Time{}.AddDate(1, 0, 0)); len(entries) != 0 {
			t.Errorf("%v", entries)
		}
	})
}

func TestConfig(t *testing.T) {
	for text, good := range map[string]bool{
		"":                             true,
		"s3://my-bucket":               true,
		"s3://my-bucket/":              true,
		"s3://my-bucket/a/b_c":         true,
		"file:///var/lib/journal":      true,
		"s3://":                        false,
		"s3://My-Bucket":               false,
		"s3://my.bucket":               false,
		"s3://my-bucket/../x":          false,
		"s3://my-bucket/a//b":          false,
		"s3://key:secret@my-bucket":    false,
		"s3://my-bucket?region=x":      false,
		"s3:my-bucket":                 false,
		"file:///":                     false,
		"file://journal":               false,
		"file:journal":                 false,
		"https://my-bucket.s3.aws.com": false,
		"/var/lib/journal":             false,
		"s3://my-bucket/%zz":           false,
	} {
		env := config.FromMap(map[string]string{"JOURNAL_URL": text})
		cfg := config.Read[Config](env)
		err := env.Err()
		if (err == nil) != good || err != nil && !strings.Contains(err.Error(), "JOURNAL_URL") {
			t.Errorf("%q: %v", text, err)
		}
		if good && cfg.Enabled() != (text != "") {
			t.Errorf("%q: enabled %v", text, cfg.Enabled())
		}
		if _, err := New(Config{URL: text}); (err == nil) != (good && text != "") {
			t.Errorf("open %q: %v", text, err)
		}
	}
}
