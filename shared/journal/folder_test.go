package journal

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"newsletter/shared/outbox"
)

func TestUnwritableFolderNeedsOwner(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	j, err := New(Config{URL: "file://" + file + "/below"})
	if err != nil {
		t.Fatal(err)
	}
	if got := failure(t, j.Write(t.Context(), entry(0))); got != (outbox.Failure{Cause: "not_written", AffectsDestination: true, NeedsOwner: true}) {
		t.Errorf("%+v", got)
	}
}

// A file that a crash left behind is no entry.
func TestPartialFileIsNotRead(t *testing.T) {
	dir := t.TempDir()
	j, err := New(Config{URL: "file://" + dir})
	if err != nil {
		t.Fatal(err)
	}
	e := entry(0)
	write(t, j, e)
	day := filepath.Join(dir, filepath.FromSlash(day(e.At)))
	if err := os.WriteFile(filepath.Join(day, ".new-123"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if entries, problems := read(t, j, start); len(entries) != 1 || len(problems) != 0 {
		t.Errorf("%v %v", entries, problems)
	}
	files, err := os.ReadDir(day)
	if err != nil || len(files) != 2 {
		t.Errorf("%v %v", files, err)
	}
}

// TestFolderForgetsOldEntries checks that a write deletes the entries whose retention period is over, and that files do
// not have the time of the write.
func TestFolderForgetsOldEntries(t *testing.T) {
	dir := t.TempDir()
	j, err := New(Config{URL: "file://" + dir})
	if err != nil {
		t.Fatal(err)
	}
	old, kept, last := entry(0), entry(0), entry(0)
	kept.At = old.At.AddDate(0, 0, 1)
	last.At = kept.At.AddDate(0, 0, RetentionDays)
	write(t, j, old, kept, last)
	entries, problems := read(t, j, time.Time{}.AddDate(1, 0, 0))
	if len(problems) != 0 || len(entries) != 2 || entries[0].ID != kept.ID || entries[1].ID != last.ID {
		t.Errorf("%v %v", entries, problems)
	}
	info, err := os.Stat(filepath.Join(dir, filepath.FromSlash(last.key())))
	if err != nil || !info.ModTime().Equal(truncate(last.At)) {
		t.Errorf("%v %v", info, err)
	}
}
