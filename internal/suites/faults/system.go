package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	toxiproxy "github.com/Shopify/toxiproxy/v2"
	"github.com/jackc/pgx/v5"
	"github.com/rs/zerolog"

	"newsletter/internal/fixtures/testenv"
	"newsletter/internal/local/devstack"
	"newsletter/shared/config"
	"newsletter/shared/journal"
	"newsletter/shared/postgres"
	"newsletter/shared/pseudonym"
	"newsletter/shared/subscription"
	"newsletter/shared/token"
)

// system is the system under test and the means to break it.
type system struct {
	*devstack.Stack
	servers *testenv.Servers
	db      *testenv.Database
	redis   *testenv.PrivateRedis // nil if not installed: then the embedded server is used, and not broken
	ways    map[string]*toxiproxy.Proxy
	rings   map[token.Purpose]*token.Ring
	journal *journal.Journal
	own     *postgres.DB        // bypasses the proxies
	store   *subscription.Store // for operations without a route; bypasses the proxies
	closers []func()
}

// settings make every commit's time known and durable, because the server is killed too.
var settings = map[string]string{"track_commit_timestamp": "on", "synchronous_commit": "on"}

// variables remove delays, and limits that the visitors of this one machine would reach.
var variables = map[string]string{
	"UPSTASH_VECTOR_REST_URL": "", // its people resemble each other
	"LIMITS_SUBSCRIBE":        "400/1m@host,4000/1m@site", "LIMITS_UNSUBSCRIBE": "400/1m@host,4000/1m@site",
	"LIMITS_PRIVACY": "400/1m@host,4000/1m@site", "MAIL_RATE_PER_MINUTE": "0", "MAIL_DOMAIN_RATE_PER_MINUTE": "0",
	"DELIVERY_LINGER": "0s", "SLACK_WEBHOOK_URL": "", "DISCORD_WEBHOOK_URL": "", "WEBHOOK_URLS": "", "WEBHOOK_SECRETS": "",
	"GA4_MEASUREMENT_ID": "", "GA4_API_SECRET": "",
}

// startSystem starts real servers, the proxies in front of them, and the stack. The caller stops it.
func startSystem(ctx context.Context, root string, log io.Writer) (*system, error) {
	s := &system{ways: map[string]*toxiproxy.Proxy{}}
	if err := s.start(ctx, root, log); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

func (s *system) start(ctx context.Context, root string, log io.Writer) error {
	dir, err := os.MkdirTemp("", "newsletter-chaos-")
	if err != nil {
		return err
	}
	s.onStop(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { // the servers may run as another user
		return err
	}
	if err := os.Mkdir(dir+"/servers", 0o755); err != nil {
		return err
	}
	if s.servers, err = testenv.StartServersWith(ctx, dir+"/servers", settings); err != nil {
		return err
	}
	s.onStop(s.servers.Stop)
	if s.db, err = s.servers.NewDatabase(ctx, "faults"); err != nil {
		return err
	}
	options := devstack.Options{Root: root, Dir: dir + "/stack", Variables: variables, NoSchedules: true, Log: log, Concurrency: 6}
	app, err := s.through("postgres", s.db.AppURL)
	if err != nil {
		return err
	}
	options.Database = &devstack.Database{AppURL: app, AdminURL: s.db.AdminURL, CAFile: s.db.CAFile, AppPassword: s.db.AppPassword, KeeperPassword: s.db.KeeperPassword}
	if s.servers.RedisAddr != "" {
		if options.Redis, err = s.startRedis(); err != nil {
			return err
		}
	}
	if s.Stack, err = devstack.Start(ctx, options); err != nil {
		return err
	}
	s.onStop(func() { s.Stop(context.Background()) })
	return s.openOwn(ctx, dir+"/stack")
}

func (s *system) startRedis() (*devstack.Redis, error) {
	var err error
	if s.redis, err = s.servers.NewRedis(); err != nil {
		return nil, err
	}
	s.onStop(s.redis.Stop)
	to, err := s.through("redis", s.redis.URL)
	return &devstack.Redis{URL: to, CAFile: s.redis.CAFile}, err
}

// through starts a proxy in front of a server and returns the server's URL with the proxy in its place.
func (s *system) through(name, to string) (string, error) {
	target, err := url.Parse(to)
	if err != nil {
		return "", err
	}
	server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	proxy := toxiproxy.NewProxy(server, name, "127.0.0.1:0", target.Host)
	if err := proxy.Start(); err != nil {
		return "", fmt.Errorf("start the proxy of %s: %w", name, err)
	}
	s.onStop(proxy.Stop)
	s.ways[name], target.Host = proxy, proxy.Listen
	return target.String(), nil
}

// openOwn opens what the checks and the operations without a route use, with the stack's keys.
func (s *system) openOwn(ctx context.Context, dir string) error {
	state, err := devstack.ReadState(dir)
	if err != nil {
		return err
	}
	all := map[string]string{}
	for _, f := range state.Functions {
		for name, value := range f.Variables {
			all[name] = value
		}
	}
	all["DATABASE_URL"] = s.db.DirectURL
	env := config.FromMap(all)
	dbConfig, keyConfig, journalConfig := postgres.ReadKeeperConfig(env), config.Read[pseudonym.Config](env), config.Read[journal.Config](env)
	s.rings = map[token.Purpose]*token.Ring{}
	for _, p := range []token.Purpose{token.Confirm, token.Unsubscribe, token.Export, token.Erase} {
		s.rings[p] = token.ReadRing(env, p)
	}
	if err := env.Err(); err != nil {
		return err
	}
	key, err := pseudonym.NewKey(keyConfig)
	if err != nil {
		return err
	}
	dbConfig.MaxConns = 4
	if s.own, err = postgres.New(ctx, dbConfig); err != nil {
		return err
	}
	s.onStop(s.own.Close)
	s.store = subscription.NewStore(s.own, key, time.Now)
	s.journal, err = journal.New(journalConfig)
	return err
}

// admin runs a statement as the superuser, bypassing the proxies. It waits for a server that was just killed.
func (s *system) admin(ctx context.Context, do func(conn *pgx.Conn) error) error {
	for {
		conn, err := pgx.Connect(ctx, s.db.AdminURL)
		if err == nil {
			err = do(conn)
			_ = conn.Close(ctx)
			if err == nil {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(200 * time.Millisecond):
		}
		if err != nil && !passing(err) {
			return err
		}
	}
}

// passing reports whether an error is transient while a server restarts.
func passing(err error) bool {
	for _, sign := range []string{"57P0", "connect", "EOF", "reset", "closed"} {
		if strings.Contains(err.Error(), sign) {
			return true
		}
	}
	return false
}

func (s *system) onStop(f func()) { s.closers = append(s.closers, f) }

// stop ends everything that was started.
func (s *system) stop() {
	for i := len(s.closers) - 1; i >= 0; i-- {
		s.closers[i]()
	}
}
