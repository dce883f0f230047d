// Package redistls opens a Redis client over verified TLS, tuned for a Lambda function: short waits, no retries, no
// round trips at connect beyond what the protocol needs.
//
// Failure policy: every call ends within the timeouts below, whatever the server does; the caller has a fallback.
package redistls

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"newsletter/shared/config"
)

// Config says where Redis is.
type Config struct {
	// URL is the server, such as "rediss://:password@cache.example:6379". Defaults to none: limits are then kept by each
	// environment for itself. Without TLS ("redis://") it is refused.
	URL config.Sealed `env:"REDIS_URL"`
	// CAFile is a file of PEM certificates that the server's certificate is checked against. Defaults to the system's
	// roots, which know ElastiCache and Upstash.
	CAFile string `env:"REDIS_CA_FILE"`
	// Cluster uses the cluster client, for several nodes that share the keys. Defaults to false: one endpoint, as with a
	// single node, ElastiCache Serverless and Upstash.
	Cluster bool `env:"REDIS_CLUSTER" envDefault:"false"`
}

// ReadConfig reads Config.
func ReadConfig(e *config.Env) Config {
	var c Config
	e.Read(&c)
	return c
}

// Validate implements the check of config.Env.Read.
func (c Config) Validate() error {
	if c.URL.IsZero() {
		return nil
	}
	options, err := redis.ParseURL(c.URL.Reveal())
	if err != nil {
		return errors.New("REDIS_URL: not a valid Redis URL") // the parser's message repeats it
	}
	if options.TLSConfig == nil {
		return errors.New("REDIS_URL: must begin with rediss://, because Redis is reached over TLS only")
	}
	return nil
}

// The timeouts of DESIGN §7: a frozen server costs 150 ms, a refused connection nothing. The defaults of the library
// cost 5 s and 1.75 s, and ignore the context.
const (
	dialTimeout     = 250 * time.Millisecond
	ioTimeout       = 150 * time.Millisecond
	connMaxIdleTime = 4 * time.Minute
)

// Open makes a client, or nil where no URL is configured. It does no I/O; Warm dials.
func Open(cfg Config) (redis.UniversalClient, error) {
	if cfg.URL.IsZero() {
		return nil, nil
	}
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	parsed, err := redis.ParseURL(cfg.URL.Reveal())
	if err != nil {
		return nil, errors.New("REDIS_URL: not a valid Redis URL")
	}
	host, _, err := net.SplitHostPort(parsed.Addr)
	if err != nil {
		return nil, errors.New("REDIS_URL: not a valid Redis URL")
	}
	roots, err := rootCAs(cfg.CAFile)
	if err != nil {
		return nil, err
	}
	options := &redis.UniversalOptions{
		Addrs: []string{parsed.Addr}, Username: parsed.Username, Password: parsed.Password, DB: parsed.DB,
		TLSConfig:             &tls.Config{MinVersion: tls.VersionTLS12, ServerName: host, RootCAs: roots},
		ContextTimeoutEnabled: true,
		MaxRetries:            -1, // a script whose reply was lost has counted already
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
	if cfg.Cluster {
		return redis.NewClusterClient(options.Cluster()), nil
	}
	return redis.NewClient(options.Simple()), nil
}

// rootCAs reads a PEM file; nil stands for the system's roots.
func rootCAs(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("REDIS_CA_FILE: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("REDIS_CA_FILE: no PEM certificate in it")
	}
	return roots, nil
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
