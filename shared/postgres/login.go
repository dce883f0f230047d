package postgres

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// renewPause is the least time between two looks for a rotated password: each costs a call of Secrets Manager.
const renewPause = time.Minute

// identity is who signs in, and with what.
type identity struct {
	server Server
	config *pgx.ConnConfig
}

// login is how a pool's connections sign in. It is safe for concurrent use.
type login struct {
	which   func(Config) Server
	renewed func(context.Context) (Config, error) // nil: there is nothing to look up
	now     func() time.Time

	mu      sync.Mutex
	latest  identity
	looked  time.Time // when the password was looked up again
	changed bool      // and whether it was another one
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

// signIn puts the latest user and password, or a fresh token, into the configuration of one new connection.
func (l *login) signIn(ctx context.Context, cc *pgx.ConnConfig) error {
	latest := l.current()
	cc.User, cc.Password = latest.config.User, latest.config.Password
	return latest.server.SignIn(ctx, cc)
}

// renew looks for another password, at most once a minute, and says whether signing in again makes sense: because there
// is one, or because somebody else has just found one.
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
