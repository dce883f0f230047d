package devstack

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/alicebob/miniredis/v2"
	"github.com/jackc/pgx/v5"

	"newsletter/internal/local/pgserver"
	"newsletter/internal/local/pki"
)

const (
	databaseName = "newsletter"
	appUser      = "app"
)

// lockFolder keeps two stacks from one data folder. The lock ends with the process.
func lockFolder(dir string) (unlock func(), err error) {
	file, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("another stack uses %s; choose another folder by LOCAL_DIR", dir)
	}
	return func() { _ = file.Close() }, nil
}

// createDatabase creates the stack's database on its own server.
func createDatabase(ctx context.Context, server *pgserver.Server, dir, caFile string) (*Database, error) {
	secrets, err := loadKeys(dir)
	if err != nil {
		return nil, err
	}
	conn, err := pgx.Connect(ctx, server.AdminURL("postgres"))
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	var exists bool
	if err := conn.QueryRow(ctx, "select exists (select 1 from pg_database where datname = $1)", databaseName).Scan(&exists); err != nil {
		return nil, err
	}
	if !exists {
		if _, err := conn.Exec(ctx, "create database "+databaseName); err != nil {
			return nil, err
		}
	}
	password := secrets["APP_DATABASE_PASSWORD"]
	return &Database{
		AppURL: server.URL(databaseName, appUser, password), AdminURL: server.AdminURL(databaseName), CAFile: caFile, AppPassword: password,
		KeeperPassword: secrets["KEEPER_DATABASE_PASSWORD"],
	}, nil
}

// embeddedRedis starts a Redis in this process, with TLS and a password.
func embeddedRedis(files pki.Files) (*Redis, func(), error) {
	pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		return nil, nil, err
	}
	server := miniredis.NewMiniRedis()
	password := randomKey()
	server.RequireAuth(password)
	if err := server.StartTLS(&tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}); err != nil {
		return nil, nil, fmt.Errorf("start Redis: %w", err)
	}
	return &Redis{URL: "rediss://:" + password + "@" + server.Addr(), CAFile: files.CA}, server.Close, nil
}

// joinAuthorities returns a file with the authorities of both files, each of which may be empty for none.
func joinAuthorities(dir, database, redis string) (string, error) {
	if redis == "" || redis == database {
		return database, nil
	}
	var all []byte
	for _, file := range []string{database, redis} {
		if file == "" {
			continue
		}
		pem, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("read the authorities of a server: %w", err)
		}
		all = append(append(all, pem...), '\n')
	}
	joined := filepath.Join(dir, "authorities.pem")
	return joined, os.WriteFile(joined, all, 0o600)
}

// keyNames are the secrets of a data folder.
var keyNames = []string{"PEPPER", "TOKEN_KEYS_CONFIRM", "TOKEN_KEYS_UNSUBSCRIBE", "TOKEN_KEYS_PRIVACY", "TOKEN_KEYS_SERVER", "OUTBOX_KEYS", "APP_DATABASE_PASSWORD", "KEEPER_DATABASE_PASSWORD"}

// loadKeys returns the secrets of a data folder and generates missing ones. Links in old emails remain valid.
func loadKeys(dir string) (map[string]string, error) {
	path := filepath.Join(dir, "keys.json")
	keys := map[string]string{}
	content, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(content, &keys)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("read the keys: %w", err)
	}
	missing := false
	for _, name := range keyNames {
		if keys[name] == "" {
			keys[name], missing = randomKey(), true
		}
	}
	if !missing {
		return keys, nil
	}
	content, err = json.MarshalIndent(keys, "", "  ")
	if err != nil {
		return nil, err
	}
	return keys, os.WriteFile(path, content, 0o600)
}

// randomKey returns 256 random bits in URL-safe base64.
func randomKey() string {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return base64.RawURLEncoding.EncodeToString(key)
}
