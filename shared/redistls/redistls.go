// Package redistls opens a Redis client over verified TLS, tuned for a Lambda function: short waits, no retries, no
// round trips at connect beyond what the protocol needs.
//
// Failure policy: every call ends within the timeouts below, whatever the server does; the caller has a fallback.
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

// Config says where Redis is.
type Config struct {
	// The Redis server, such as "rediss://:password@cache.example:6379". A URL without TLS ("redis://") is refused,
	// except for a loopback host. A host that begins with "clustercfg.", the prefix of AWS's cluster endpoints,
	// selects the cluster client. Empty: each environment counts its limits alone.
	URL config.Sealed `env:"REDIS_URL"`
	// A PEM file of certificate authorities to trust beside the system's roots, which include those of ElastiCache
	// and Upstash. Empty: no further ones.
	CAFile string `env:"REDIS_CA_FILE" from:"local" example:"/etc/ssl/redis.pem"`
	// Cluster uses the cluster client whatever the host's name is.
	Cluster bool
}

// Validate implements the check of config.Env.Read.
func (c Config) Validate() error {
	if c.URL.IsZero() {
		return nil
	}
	_, urlErr := c.parse()
	_, rootsErr := config.AddRoots(nil, "REDIS_CA_FILE", c.CAFile)
	return errors.Join(urlErr, rootsErr)
}

var errURL = errors.New("REDIS_URL: must be the URL of a Redis server, such as rediss://user:password@host:6379")

// parse reads URL. Its errors do not repeat it, as the parser's do.
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
		return nil, errors.New("REDIS_URL: must begin with rediss://, because Redis is reached over TLS only")
	}
	return options, nil
}

// The timeouts of DESIGN §7: a frozen server costs 150 ms, a refused connection nothing. The defaults of the library
// cost 5 s and 1.75 s, and ignore the context.
const (
	dialTimeout     = 250 * time.Millisecond
	ioTimeout       = 150 * time.Millisecond
	connMaxIdleTime = 4 * time.Minute
)

// New makes a client, or nil where no URL is configured. It does no I/O; Warm dials.
func New(cfg Config) (redis.UniversalClient, error) {
	if cfg.URL.IsZero() {
		return nil, nil
	}
	parsed, err := cfg.parse()
	if err != nil {
		return nil, err
	}
	roots, err := config.AddRoots(nil, "REDIS_CA_FILE", cfg.CAFile)
	if err != nil {
		return nil, err
	}
	logging.Disable() // the library's own log, which is no JSON; every failure reaches the caller as an error
	options := &redis.UniversalOptions{
		Addrs: []string{parsed.Addr}, Username: parsed.Username, Password: parsed.Password, DB: parsed.DB,
		ContextTimeoutEnabled: true,
		MaxRetries:            -1, // a script whose reply was lost has counted already
		MaxRedirects:          -1, // the cluster client's name for the same; after a MOVED it learns the nodes anew
		DialerRetries:         1,
		DialTimeout:           dialTimeout,
		ReadTimeout:           ioTimeout,
		WriteTimeout:          ioTimeout,
		PoolTimeout:           ioTimeout,
		PoolSize:              max(2, lambdacontext.MaxConcurrency()),
		PipelinePoolSize:      -1, // else pipelines open a connection of their own
		ConnMaxIdleTime:       connMaxIdleTime,
		DisableIdentity:       true, // one round trip less at connect
		MaintNotificationsConfig: &maintnotifications.Config{
			Mode: maintnotifications.ModeDisabled, // another one, and a DNS look-up
		},
	}
	if parsed.TLSConfig != nil { // no ServerName: each node's certificate must name the host that was dialled
		options.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}
	}
	if cfg.Cluster || strings.HasPrefix(parsed.Addr, "clustercfg.") {
		return redis.NewClusterClient(options.Cluster()), nil
	}
	return redis.NewClient(options.Simple()), nil
}

// Warm opens the first connection, so that no visitor waits for it. A nil client is warm.
func Warm(ctx context.Context, client redis.UniversalClient) error {
	if client == nil {
		return nil
	}
	if err := client.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("connect to Redis: %w", err)
	}
	return nil
}
