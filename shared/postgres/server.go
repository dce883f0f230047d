package postgres

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/rds/auth"
	"github.com/jackc/pgx/v5"

	"newsletter/shared/awssdk"
	"newsletter/shared/config"
)

// connectTimeout bounds opening a connection, which takes six to eight round trips.
const connectTimeout = 3 * time.Second

// Server is one database and how to sign in to it.
type Server struct {
	URL     config.Sealed // "postgres://user:password@host:5432/database"
	CAFile  string        // a PEM file of further roots; empty for none
	IAMAuth bool          // sign in with an IAM token where the URL holds no password
}

// ConnConfig makes the configuration of a connection to s, which always verifies the server's certificate and name.
// The caller runs SignIn on it before each connection. It reads the named files of certificates and nothing else. The
// errors name no part of the URL.
func (s Server) ConnConfig() (*pgx.ConnConfig, error) {
	u, err := parseURL(s.URL)
	if err != nil {
		return nil, err
	}
	query := u.Query()
	rootCert := query.Get("sslrootcert")
	// pgx would read files that nobody named here (PGSSLROOTCERT, ~/.postgresql/root.crt) and let them replace the
	// system's roots. So it is told to make no TLS configuration and to read no file; what is used is made below, always.
	query.Set("sslmode", "disable")
	query.Set("sslrootcert", "")
	u.RawQuery = query.Encode()
	cc, err := pgx.ParseConfig(u.String())
	if err != nil {
		return nil, errURL // the parser's message repeats parts of it
	}
	roots, err := authorities(cc.Host, s.CAFile, rootCert)
	if err != nil {
		return nil, err
	}
	cc.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: cc.Host, RootCAs: roots}
	cc.Fallbacks = nil
	cc.ConnectTimeout = connectTimeout
	// Named statements do not survive a proxy that shares its connections, and the others cost a round trip to describe.
	cc.DefaultQueryExecMode = pgx.QueryExecModeExec
	cc.StatementCacheCapacity, cc.DescriptionCacheCapacity = 0, 0
	return cc, nil
}

// SignIn puts a fresh IAM token into cc if s signs in with one. It is signed here, without a call, and holds for 15 min;
// the connection outlives it.
func (s Server) SignIn(ctx context.Context, cc *pgx.ConnConfig) error {
	if !s.IAMAuth || cc.Password != "" {
		return nil
	}
	endpoint := net.JoinHostPort(cc.Host, strconv.Itoa(int(cc.Port)))
	token, err := auth.BuildAuthToken(ctx, endpoint, awssdk.Region(), cc.User, awssdk.Credentials())
	if err != nil {
		return fmt.Errorf("sign an IAM token: %w", err)
	}
	cc.Password = token
	return nil
}

var errURL = errors.New("must be a PostgreSQL URL that names one host, a user and a database, such as postgres://user:password@host:5432/database")

// CheckURL refuses what would weaken TLS or what RDS Proxy refuses at connect, which is every parameter but a few. Its
// errors repeat nothing of the URL.
func CheckURL(secret config.Sealed) error {
	_, err := parseURL(secret)
	return err
}

// parseURL parses what CheckURL accepts.
func parseURL(secret config.Sealed) (*url.URL, error) {
	u, err := url.Parse(secret.Reveal())
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" ||
		u.Hostname() == "" || strings.Contains(u.Host, ",") || u.User.Username() == "" || strings.Trim(u.Path, "/") == "" {
		return nil, errURL
	}
	parameters, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, errors.New("must have parameters that can be read, or none")
	}
	for name, values := range parameters {
		switch name {
		case "application_name":
		case "sslrootcert":
			if len(values) != 1 {
				return nil, errors.New("must name one file as sslrootcert, or none")
			}
		case "sslmode":
			if len(values) != 1 || values[0] != "verify-full" {
				return nil, errors.New("must have sslmode=verify-full, or no sslmode, which means the same")
			}
		default:
			return nil, errors.New("must have no parameters but application_name, sslmode and sslrootcert: RDS Proxy refuses settings at connect; timeouts are set on the role")
		}
	}
	return u, nil
}
