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

// account is the user that the server runs as; the zero account is the current user.
type account struct{ uid, gid uint32 }

// unprivileged returns the current user, or an unprivileged user if the current one is root.
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
	return account{65534, 65534} // "nobody" by convention
}

func (a account) attributes() *syscall.SysProcAttr {
	attributes := &syscall.SysProcAttr{Setpgid: true}
	if a.uid != 0 {
		attributes.Credential = &syscall.Credential{Uid: a.uid, Gid: a.gid}
	}
	return attributes
}

// moved is the file that records where the data is if it is not in its folder.
const moved = "moved-to"

// reachable creates a folder that the account owns and can reach: dir, or one below /var/tmp if a parent of dir is
// closed to the account, as /root is. The path is recorded in dir/moved-to.
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
		if info, err := os.Lstat(home); err != nil || !info.IsDir() || !a.owns(info) { // programs in it are executed
			return "", fmt.Errorf("%s belongs to another user", home)
		}
		if err := os.WriteFile(filepath.Join(dir, moved), []byte(home+"\n"), 0o644); err != nil {
			return "", err
		}
	}
	return home, os.Chown(home, int(a.uid), int(a.gid))
}

// owns reports whether a folder belongs to root, as a new one does, or to the account.
func (a account) owns(info fs.FileInfo) bool {
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && (stat.Uid == 0 || stat.Uid == a.uid)
}

// Remove deletes the data of a stopped server, wherever it is.
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

// open reports whether other users can traverse every folder above path.
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

// write writes a file that only the account can read.
func (a account) write(path string, content []byte) error {
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return err
	}
	if a.uid == 0 {
		return nil
	}
	return os.Chown(path, int(a.uid), int(a.gid))
}
