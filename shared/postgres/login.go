package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// renewPause is the minimum time between two reads of a rotated password: each is a call to Secrets Manager.
const renewPause = time.Minute

// identity is a user with credentials.
type identity struct {
	server Server
	config *pgx.ConnConfig
}

// login signs in a pool's connections. It is safe for concurrent use.
type login struct {
	which   func(Config) Server
	renewed func(context.Context) (Config, error) // nil: passwords are never renewed
	now     func() time.Time

	mu      sync.Mutex
	latest  identity
	looked  time.Time // time of the last renewal
	changed bool      // whether it found a new password
}

func newLogin(cfg Config, which func(Config) Server) (*login, error) {
	server := which(cfg)
	cc, err := server.ConnConfig()
	if err != nil {
		return nil, err
	}
	return &login{which: which, renewed: cfg.Renew, now: time.Now, latest: identity{server, cc}}, nil
}

func (l *login) current() identity {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.latest
}

// signIn sets the latest user and password, or a fresh token, in the configuration of a new connection.
func (l *login) signIn(ctx context.Context, cc *pgx.ConnConfig) error {
	latest := l.current()
	cc.User, cc.Password = latest.config.User, latest.config.Password
	return latest.server.SignIn(ctx, cc)
}

// renew reads the password again, at most once a minute, and reports whether to sign in again: there is a new password,
// or another call has just found one.
func (l *login) renew(ctx context.Context) bool {
	if l.renewed == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	if now.Sub(l.looked) < renewPause {
		return l.changed
	}
	l.looked, l.changed = now, false
	cfg, err := l.renewed(ctx)
	if err != nil {
		return false
	}
	server := l.which(cfg)
	cc, err := server.ConnConfig()
	if err != nil {
		return false
	}
	l.changed = cc.User != l.latest.config.User || cc.Password != l.latest.config.Password
	l.latest = identity{server, cc}
	return l.changed
}
