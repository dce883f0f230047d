package pgserver

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// account is whom the server runs as; the zero account is ourselves.
type account struct{ uid, gid uint32 }

// unprivileged is ourselves, or a user without rights when we are root.
func unprivileged() account {
	if os.Geteuid() != 0 {
		return account{}
	}
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			uid, _ := strconv.ParseUint(u.Uid, 10, 32) // numeric where root is 0
			gid, _ := strconv.ParseUint(u.Gid, 10, 32)
			return account{uint32(uid), uint32(gid)}
		}
	}
	return account{65534, 65534} // nobody, by convention
}

func (a account) attributes() *syscall.SysProcAttr {
	attributes := &syscall.SysProcAttr{Setpgid: true}
	if a.uid != 0 {
		attributes.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
	return attributes
}

// moved is the file that remembers where the data is when it could not stay in its folder.
const moved = "moved-to"

// reachable makes a folder that the account owns and can reach: dir, or one below /var/tmp where a folder above dir is
// closed to it, as /root is. The place is written to dir/moved-to.
func (a account) reachable(dir string) (string, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("make the folder of PostgreSQL: %w", err)
	}
	if a.uid == 0 {
		return dir, nil
	}
	home := dir
	if !open(dir) {
		sum := sha256.Sum256([]byte(dir))
		home = filepath.Join("/var/tmp", "newsletter-postgres-"+hex.EncodeToString(sum[:8]))
		if err := os.Mkdir(home, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return "", fmt.Errorf("make the folder of PostgreSQL: %w", err)
		}
		if info, err := os.Lstat(home); err != nil || !info.IsDir() || !a.owns(info) { // programs of it are run
			return "", fmt.Errorf("%s is not a folder of ours", home)
		}
		if err := os.WriteFile(filepath.Join(dir, moved), []byte(home+"\n"), 0o644); err != nil {
			return "", err
		}
	}
	return home, os.Chown(home, int(a.uid), int(a.gid))
}

// owns reports whether a folder is root's, as one that was just made, or the account's.
func (a account) owns(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && (stat.Uid == 0 || stat.Uid == a.uid)
}

// Remove deletes what a stopped server left in its folder, also where it could not stay there.
func Remove(dir string) error {
	if home, err := os.ReadFile(filepath.Join(dir, moved)); err == nil {
		path := filepath.Clean(string(home[:max(0, len(home)-1)]))
		if filepath.Dir(path) == "/var/tmp" {
			if err := os.RemoveAll(path); err != nil {
				return err
			}
		}
	}
	return os.RemoveAll(dir)
}

// open says whether every folder above path lets strangers through.
func open(path string) bool {
	for parent := filepath.Dir(path); ; parent = filepath.Dir(parent) {
		info, err := os.Stat(parent)
		if err != nil || info.Mode().Perm()&0o001 == 0 {
			return false
		}
		if parent == filepath.Dir(parent) {
			return true
		}
	}
}

// write puts a file where only the account can read it.
func (a account) write(path string, content []byte) error {
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return err
	}
	if a.uid == 0 {
		return nil
	}
	return os.Chown(path, int(a.uid), int(a.gid))
}
