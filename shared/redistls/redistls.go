// Package redistls creates a Redis client with verified TLS, tuned for Lambda: short timeouts, no retries, no
// optional round trips at connect.
//
// Failure policy: every call ends within the timeouts below; the caller has a fallback.
package redistls

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"

	"newsletter/shared/config"
)

// Config configures the connection.
type Config struct {
	// The Redis server, such as "rediss://:password@cache.example:6379". A URL without TLS ("redis://") is refused,
	// except for a loopback host. A host that begins with "clustercfg.", the prefix of AWS's cluster endpoints,
	// selects the cluster client. Empty: each environment counts its limits alone.
	URL config.Sealed `env:"REDIS_URL"`

	CAFile string `env:"TLS_CA_FILE" from:"local"`
	// Cluster selects the cluster client for any host name.
	Cluster bool
}

// Validate implements the check of config.Env.Read.
func (c Config) Validate() error {
	if c.URL.IsZero() {
		return nil
	}
	_, urlErr := c.parse()
	_, rootsErr := config.AddRoots(nil, "TLS_CA_FILE", c.CAFile)
	return errors.Join(urlErr, rootsErr)
}

var errURL = errors.New("REDIS_URL: must be the URL of a Redis server, such as rediss://user:password@host:6379")

// parse parses URL. Its errors do not contain the URL, unlike the parser's.
func (c Config) parse() (*redis.Options, error) {
	options, err := redis.ParseURL(c.URL.Reveal())
	if err != nil {
		return nil, errURL
	}
	host, _, err := net.SplitHostPort(options.Addr)
	if err != nil {
		return nil, errURL
	}
	if options.TLSConfig == nil && !config.IsLoopback(host) {
		return nil, errors.New("REDIS_URL: must begin with rediss://, because Redis requires TLS here")
	}
	return options, nil
}

// The timeouts. A frozen server costs 150 ms, a refused connection nothing. The library's defaults
// would cost 5 s and 1.75 s, and ignore the context.
const (
	dialTimeout     = 250 * time.Millisecond
	ioTimeout       = 150 * time.Millisecond
	connMaxIdleTime = 4 * time.Minute
)

// New returns a client, or nil if no URL is configured. It does no I/O; Warm connects.
func New(cfg Config) (redis.UniversalClient, error) {
	if cfg.URL.IsZero() {
		return nil, nil
	}
	parsed, err := cfg.parse()
	if err != nil {
		return nil, err
	}
	roots, err := config.AddRoots(nil, "TLS_CA_FILE", cfg.CAFile)
	if err != nil {
		return nil, err
	}
	logging.Disable() // its log is not JSON; callers receive every failure as an error
	options := &redis.UniversalOptions{
		Addrs: []string{parsed.Addr}, Username: parsed.Username, Password: parsed.Password, DB: parsed.DB,
		ContextTimeoutEnabled: true,
		MaxRetries:            -1, // a script whose reply was lost has already counted
		MaxRedirects:          -1, // the same for the cluster client; after MOVED it reloads the nodes
		DialerRetries:         1,
		DialTimeout:           dialTimeout,
		ReadTimeout:           ioTimeout,
		WriteTimeout:          ioTimeout,
		PoolTimeout:           ioTimeout,
		PoolSize:              max(2, lambdacontext.MaxConcurrency()),
		PipelinePoolSize:      -1, // else pipelines open a connection of their own
		ConnMaxIdleTime:       connMaxIdleTime,
		DisableIdentity:       true, // saves a round trip at connect
		MaintNotificationsConfig: &maintnotifications.Config{
			Mode: maintnotifications.ModeDisabled, // saves a round trip and a DNS lookup
		},
	}
	if parsed.TLSConfig != nil { // no ServerName: each node's certificate must name the dialed host
		options.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	}
	if cfg.Cluster || strings.HasPrefix(parsed.Addr, "clustercfg.") {
		return redis.NewClusterClient(options.Cluster()), nil
	}
	return redis.NewClient(options.Simple()), nil
}

// Warm opens the first connection, so that no visitor waits for it. It does nothing for a nil client.
func Warm(ctx context.Context, client redis.UniversalClient) error {
	if client == nil {
		return nil
	}
	if err := client.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("connect to Redis: %w", err)
	}
	return nil
}
