package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"newsletter/shared/healthcheck"
	"newsletter/shared/httpapi"
	"newsletter/shared/lambdafn"
)

const (
	readyPath = "/api/health"
	livePath  = "/api/health/live"
)

// schemaVersion is the version of the schema that this release needs. A test holds it to the newest migration.
const schemaVersion = 2

type handler struct {
	checker *healthcheck.Checker
}

func (h *handler) api(cfg httpapi.Config) *httpapi.API {
	return httpapi.New(cfg, httpapi.Route{Path: readyPath, GET: h.ready}, httpapi.Route{Path: livePath, GET: h.live})
}

// live says that the function runs. It asks nobody.
func (h *handler) live(context.Context, *httpapi.Request) (*httpapi.Response, error) {
	return answer(http.StatusOK, map[string]any{"status": healthcheck.Pass}), nil
}

// ready says whether the dependencies answer, and nothing about them.
func (h *handler) ready(ctx context.Context, _ *httpapi.Request) (*httpapi.Response, error) {
	report := h.checker.Report(ctx)
	note(ctx, report)
	status := http.StatusOK
	if report.Status == healthcheck.Fail {
		status = http.StatusServiceUnavailable
	}
	return answer(status, report.Public()).As(string(report.Status)), nil
}

var errNotATick = errors.New("the event is neither a tick of the schedule nor empty")

// event answers a direct invocation, and the schedule, with all details.
func (h *handler) event(ctx context.Context, event json.RawMessage) (any, error) {
	if !lambdafn.IsTick(event) {
		return nil, errNotATick
	}
	report := h.checker.Report(ctx)
	note(ctx, report)
	return report, nil
}

func answer(status int, body any) *httpapi.Response {
	response := httpapi.JSON(status, body)
	response.Header.Set("Content-Type", "application/health+json; charset=utf-8")
	return response
}

// note puts the state of each check into the log line.
func note(ctx context.Context, report healthcheck.Report) {
	lambdafn.Note(ctx, slog.String("outcome", string(report.Status)))
	for name, components := range report.Checks {
		for _, c := range components {
			lambdafn.Note(ctx, slog.String("check_"+name, string(c.Status)))
		}
	}
}

type database interface {
	Batch(ctx context.Context, queue func(*pgx.Batch)) error
}

var errNoRedis = errors.New("no Redis is configured: each environment limits for itself")

func checks(db database, client redis.UniversalClient) []healthcheck.Check {
	return []healthcheck.Check{
		{Name: "postgres", Lost: healthcheck.Fail, Ask: func(ctx context.Context) (string, error) {
			return "", db.Batch(ctx, func(b *pgx.Batch) { b.Queue("select 1") })
		}},
		{Name: "migrations", Lost: healthcheck.Fail, Ask: func(ctx context.Context) (string, error) { return schema(ctx, db) }},
		{Name: "redis", Lost: healthcheck.Warn, Ask: func(ctx context.Context) (string, error) {
			if client == nil {
				return "", errNoRedis
			}
			return "", client.Ping(ctx).Err()
		}},
	}
}

const schemaVersionSQL = `select coalesce(max(version_id), 0) from goose_db_version where is_applied`

func schema(ctx context.Context, db database) (string, error) {
	var have int64
	err := db.Batch(ctx, func(b *pgx.Batch) {
		b.Queue(schemaVersionSQL).QueryRow(func(row pgx.Row) error { return row.Scan(&have) })
	})
	if err != nil {
		return "", fmt.Errorf("read the schema's version: %w", err)
	}
	return healthcheck.Schema(have, schemaVersion)
}
