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

// connectTimeout limits the time to open a connection, which takes six to eight round trips.
const connectTimeout = 3 * time.Second

// Server is a database with credentials.
type Server struct {
	URL     config.Sealed // "postgres://user:password@host:5432/database"
	CAFile  string        // a PEM file of further roots; empty for none
	IAMAuth bool          // sign in with an IAM token where the URL holds no password
}

// ConnConfig returns the configuration of a connection to s, which always verifies the server's certificate and name.
// The
// caller runs SignIn on it before each connection. It reads only the named certificate files. Errors contain no part
// of the
// URL.
func (s Server) ConnConfig() (*pgx.ConnConfig, error) {
	u, err := parseURL(s.URL)
	if err != nil {
		return nil, err
	}
	query := u.Query()
	rootCert := query.Get("sslrootcert")
	// pgx would read files that are not configured here (PGSSLROOTCERT, ~/.postgresql/root.crt) and let them replace
	// the
	// system's roots. So pgx gets no TLS settings and no files; the TLS configuration below is always used.
	query.Set("sslmode", "disable")
	query.Set("sslrootcert", "")
	u.RawQuery = query.Encode()
	cc, err := pgx.ParseConfig(u.String())
	if err != nil {
		return nil, errURL // the parser's message contains parts of it
	}
	roots, err := authorities(cc.Host, s.CAFile, rootCert)
	if err != nil {
		return nil, err
	}
	cc.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: cc.Host, RootCAs: roots}
	cc.Fallbacks = nil
	cc.ConnectTimeout = connectTimeout
	// Named statements do not survive a proxy with shared connections, and the other modes cost a round trip to
	// describe.
	cc.DefaultQueryExecMode = pgx.QueryExecModeExec
	cc.StatementCacheCapacity, cc.DescriptionCacheCapacity = 0, 0
	return cc, nil
}

// SignIn sets a fresh IAM token in cc if s uses IAM. It signs the token locally, without a call. The token is valid for
// 15 min; the connection outlives it.
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

// CheckURL refuses URLs that would weaken TLS or that RDS Proxy refuses at connect, which is every parameter but a few.
// Errors contain no part of the URL.
func CheckURL(secret config.Sealed) error {
	_, err := parseURL(secret)
	return err
}

// parseURL parses a URL that CheckURL accepts.
func parseURL(secret config.Sealed) (*url.URL, error) {
	u, err := url.Parse(secret.Reveal())
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" ||
		u.Hostname() == "" || strings.Contains(u.Host, ",") || u.User.Username() == "" || strings.Trim(u.Path, "/") == "" {
		return nil, errURL
	}
	parameters, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, errors.New("must have well-formed parameters, or none")
	}
	for name, values := range parameters {
		switch name {
		case "application_name":
		case "sslrootcert":
			if len(values) != 1 {
				return nil, errors.New("must have at most one sslrootcert")
			}
		case "sslmode":
			if len(values) != 1 || values[0] != "verify-full" {
				return nil, errors.New("must have sslmode=verify-full, or no sslmode, which means the same")
			}
		default:
			return nil, errors.New("must have no parameters except application_name, sslmode and sslrootcert: " +
				"RDS Proxy refuses other settings at connect, and timeouts are set on the role")
		}
	}
	return u, nil
}
