package journal

import (
	"io/fs"
	"os"
	"path"
	"time"

	"newsletter/shared/outbox"
)

// RetentionDays is how long entries are kept: as long as records of erasures by default (retention.Config), and longer
// than the 35 days for which RDS keeps a backup. A backup that is older must not be restored.
const RetentionDays = 365

// prune deletes the days before a time from a folder. The error is a *outbox.Failure.
func prune(folder string, before time.Time) error {
	limit := day(before)
	top, err := os.OpenRoot(folder)
	if err == nil {
		defer func() { _ = top.Close() }()
		err = fs.WalkDir(top.FS(), path.Clean(root), func(key string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.IsDir() || len(key) != len(limit) {
				return err
			}
			if key < limit {
				if err := top.RemoveAll(key); err != nil {
					return err
				}
			}
			return fs.SkipDir
		})
	}
	if err != nil {
		return &outbox.Failure{Cause: "not_pruned", AffectsDestination: true, NeedsOwner: true, Err: err}
	}
	return nil
}
