package journal

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"newsletter/internal/local/devstack"
	"newsletter/shared/outbox"
)

var start = time.Date(2026, 2, 27, 22, 30, 0, 123456000, time.UTC)

// eachStorage runs a test on every storage.
func eachStorage(t *testing.T, run func(t *testing.T, j *Journal)) {
	t.Run("folder", func(t *testing.T) {
		j, err := New(Config{URL: "file://" + t.TempDir() + "/stops"})
		if err != nil {
			t.Fatal(err)
		}
		run(t, j)
	})
	t.Run("bucket", func(t *testing.T) {
		j, _ := inBucket(t)
		run(t, j)
	})
}

// inBucket returns a journal in a fake of S3, whose lists have pages of three. Its tests do not run in parallel,
// because the AWS SDK reads the fake's address from the process's environment.
func inBucket(t *testing.T) (*Journal, *devstack.S3) {
	t.Helper()
	fake := devstack.NewS3(3)
	server := httptest.NewServer(http.StripPrefix("/s3", fake))
	t.Cleanup(server.Close)
	environment(t, server.URL)
	t.Cleanup(func() {
		for _, problem := range fake.Problems() {
			t.Errorf("S3 would refuse: %s", problem)
		}
	})
	j, err := New(Config{URL: "s3://" + devstack.S3Bucket + "/site/news"})
	if err != nil {
		t.Fatal(err)
	}
	return j, fake
}

func environment(t *testing.T, fakes string) {
	t.Setenv("FAKES_URL", fakes)
	t.Setenv("AWS_REGION", "eu-central-1")
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDTEST")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
}

// entry returns the n-th entry of a history with one every hour.
func entry(n int) Entry {
	at := start.Add(time.Duration(n) * time.Hour)
	e := Entry{
		ID: uuid.New(), At: at.Truncate(24 * time.Hour), Kind: kinds[n%len(kinds)], Epoch: int32(at.Hour()),
		EmailHMAC: bytes.Repeat([]byte{byte(n + 1)}, 32), KeyID: "0a1b2c3d",
	}
	if n%2 == 1 {
		e.MailboxHMAC = bytes.Repeat([]byte{byte(n + 2)}, 32)
	}
	return e
}

func same(a, b Entry) bool {
	return a.ID == b.ID && a.At.Equal(b.At) && a.Kind == b.Kind && a.Reason == b.Reason && a.Epoch == b.Epoch &&
		bytes.Equal(a.EmailHMAC, b.EmailHMAC) && bytes.Equal(a.MailboxHMAC, b.MailboxHMAC) && a.KeyID == b.KeyID && a.Until.Equal(b.Until)
}

// write writes entries.
func write(t *testing.T, j *Journal, entries ...Entry) {
	t.Helper()
	for _, e := range entries {
		if err := j.Write(t.Context(), e); err != nil {
			t.Fatal(errors.Unwrap(err))
		}
	}
}

// read returns all entries since a time, and the errors between them.
func read(t *testing.T, j *Journal, since time.Time) (entries []Entry, problems []error) {
	t.Helper()
	for e, err := range j.Read(t.Context(), since) {
		if err != nil {
			problems = append(problems, err)
			continue
		}
		entries = append(entries, e)
	}
	return entries, problems
}

// failure returns an error as a Failure without its cause.
func failure(t *testing.T, err error) outbox.Failure {
	t.Helper()
	f, ok := errors.AsType[*outbox.Failure](err)
	if !ok {
		t.Fatalf("%v is no *outbox.Failure", err)
	}
	told := *f
	told.Err = nil
	return told
}

func lines(errs []error) string {
	var all []string
	for _, err := range errs {
		all = append(all, err.Error())
	}
	return strings.Join(all, "\n")
}
