package testenv

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"newsletter/internal/canary"
)

// recordTimeout limits the time to read what one server contains.
const recordTimeout = time.Minute

// Secrets returns the passwords of the servers, which must not appear anywhere.
func (s *Servers) Secrets() []canary.Value {
	values := []canary.Value{
		canary.Plant("password of the functions' role", canary.Key, s.AppPassword),
		canary.Plant("password of Redis", canary.Key, s.RedisSecret),
	}
	if u, err := url.Parse(s.PostgresURL); err == nil && u.User != nil {
		password, _ := u.User.Password()
		values = append(values, canary.Plant("password of the superuser", canary.Key, password))
	}
	return values
}

// columnsSQL lists the columns that can contain text, and how to read each.
const columnsSQL = `
select c.relname || '.' || a.attname, quote_ident(c.relname),
       format(case a.atttypid when 'bytea'::regtype then 'encode(%I, ''escape'')' else '%I::text' end, a.attname)
from pg_class c join pg_attribute a on a.attrelid = c.oid
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped
  and a.atttypid::regtype::text in ('text', 'character varying', 'jsonb', 'json', 'bytea', 'inet', 'text[]')`

// suspicious roughly matches the canary's shapes, so that most values need not leave the server. Bytes that are not
// all text are random here and match by chance now and then, so they are excluded.
const suspicious = `v ~ '@|%[24]|\\u|[0-9]\.[0-9]+\.|[0-9a-f]:[0-9a-f]*:|::|[A-Za-z0-9+/_-]{24,}' and v !~ '\\[0-7]{3}'`

// mostRows limits the rows read of a column.
const mostRows = 2000

// Record passes the database's values to the canary: those that may have one of its shapes, or all.
func (d *Database) Record(ctx context.Context, everything bool) error {
	if !canary.Recording() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, d.AdminURL)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, columnsSQL)
	if err != nil {
		return err
	}
	which := suspicious
	if everything {
		which = "v <> ''"
	}
	var parts []string
	var name, table, text string
	if _, err := pgx.ForEachRow(rows, []any{&name, &table, &text}, func() error {
		parts = append(parts, fmt.Sprintf("(select distinct '%s', v from (select %s as v from %s) as t where %s limit %d)",
			name, text, table, which, mostRows))
		return nil
	}); err != nil || len(parts) == 0 {
		return err
	}
	rows, err = conn.Query(ctx, strings.Join(parts, " union all "))
	if err != nil {
		return err
	}
	var place, value string
	_, err = pgx.ForEachRow(rows, []any{&place, &value}, func() error {
		canary.Record(canary.Database, place+" of "+d.Name, value)
		return nil
	})
	return err
}

// RecordRedis passes the contents of the shared Redis to the canary.
func (s *Servers) RecordRedis(ctx context.Context) error {
	if s.RedisAddr == "" {
		return nil
	}
	return s.redisConfig(s.RedisAddr).Record(ctx)
}

// Record passes all keys of a server with their values to the canary.
func (c RedisConfig) Record(ctx context.Context) error {
	if !canary.Recording() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, recordTimeout)
	defer cancel()
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	client := redis.NewClient(&redis.Options{
		Addr: c.Addr, Password: c.Secret, TLSConfig: &tls.Config{RootCAs: roots, ServerName: "127.0.0.1", MinVersion: tls.VersionTLS12},
		MaxRetries: -1, DialerRetries: 1, DialTimeout: 2 * time.Second, ReadTimeout: 2 * time.Second,
	})
	defer client.Close()
	keys := client.Scan(ctx, 0, "", 1000).Iterator()
	for keys.Next(ctx) {
		value, err := redisValue(ctx, client, keys.Val())
		if err != nil {
			return err
		}
		canary.Record(canary.Redis, "", keys.Val()+" "+value)
	}
	return keys.Err()
}

// redisValue formats a value of any type.
func redisValue(ctx context.Context, client *redis.Client, key string) (string, error) {
	kind, err := client.Type(ctx, key).Result()
	if err != nil {
		return "", err
	}
	var value any
	switch kind {
	case "string":
		value, err = client.Get(ctx, key).Result()
		if strings.HasPrefix(key, "rl:") { // the limiter's binary logs match shapes by chance
			value = fmt.Sprintf("%x", value)
		}
	case "list":
		value, err = client.LRange(ctx, key, 0, -1).Result()
	case "hash":
		value, err = client.HGetAll(ctx, key).Result()
	case "set":
		value, err = client.SMembers(ctx, key).Result()
	case "zset":
		value, err = client.ZRangeWithScores(ctx, key, 0, -1).Result()
	case "none": // expired in between
	default:
		err = fmt.Errorf("unsupported Redis type %s", kind)
	}
	if errors.Is(err, redis.Nil) { // expired in between
		err = nil
	}
	return fmt.Sprint(value), err
}
