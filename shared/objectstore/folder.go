package objectstore

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"newsletter/shared/outbox"
)

// folder stores objects on this machine. A file exists completely or not at all, even after a crash.
type folder string

// Put implements Store.
func (f folder) Put(_ context.Context, key string, content []byte) error {
	if err := f.write(filepath.Join(string(f), filepath.FromSlash(key)), content); err != nil {
		return &outbox.Failure{Cause: "not_written", AffectsDestination: true, NeedsOwner: true, Err: err} // a full disk, a missing permission
	}
	return nil
}

func (f folder) write(path string, content []byte) error {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(file.Name()) }()
	_, writeErr := file.Write(content)
	if err := errors.Join(writeErr, file.Sync(), file.Close()); err != nil {
		return err
	}
	if err := os.Link(file.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) { // unlike a rename, a link replaces nothing
		return err
	}
	return syncDir(dir)
}

// syncDir makes new names in a directory durable.
func syncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // the owner configured the folder
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Get implements Store.
func (f folder) Get(_ context.Context, key string) ([]byte, error) {
	return os.ReadFile(filepath.Join(string(f), filepath.FromSlash(key)))
}

// List implements Store.
func (f folder) List(ctx context.Context, under, after string) iter.Seq2[[]string, error] {
	return func(yield func([]string, error) bool) {
		top := filepath.Join(string(f), filepath.FromSlash(under))
		err := filepath.WalkDir(top, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || ctx.Err() != nil {
				return errors.Join(err, ctx.Err())
			}
			name, err := filepath.Rel(string(f), path)
			if err != nil {
				return err
			}
			key := filepath.ToSlash(name)
			switch before := key < after && !strings.HasPrefix(after, key); {
			case entry.IsDir() && before && path != top:
				return fs.SkipDir
			case entry.IsDir() || before || strings.HasPrefix(entry.Name(), "."):
				return nil
			}
			if !yield([]string{key}, nil) {
				return fs.SkipAll
			}
			return nil
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // nothing written yet
			yield(nil, err)
		}
	}
}
