package journal

import (
	"os"
	"path/filepath"
	"testing"

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
