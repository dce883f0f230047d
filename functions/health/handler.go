package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"newsletter/shared/healthcheck"
	"newsletter/shared/httpapi"
	"newsletter/shared/lambdafn"
)

const (
	readyPath = "/api/health"
	livePath  = "/api/health/live"
)

type handler struct {
	checker *healthcheck.Checker
	watcher *watcher
}

func (h *handler) api(cfg httpapi.Config) *httpapi.API {
	return httpapi.New(cfg, httpapi.Route{Path: readyPath, GET: h.ready}, httpapi.Route{Path: livePath, GET: h.live, AllowBypass: true})
}

// live means that the function runs. It asks nobody.
func (h *handler) live(context.Context, *httpapi.Request) (*httpapi.Response, error) {
	return answer(http.StatusOK, map[string]any{"status": healthcheck.Pass}), nil
}

// ready reports whether the dependencies answer, and nothing about them.
func (h *handler) ready(ctx context.Context, _ *httpapi.Request) (*httpapi.Response, error) {
	report := h.checker.Report(ctx)
	note(ctx, report)
	status := http.StatusOK
	if report.Status == healthcheck.Fail {
		status = http.StatusServiceUnavailable
	}
	return answer(status, report.Public()).WithOutcome(string(report.Status)), nil
}

var errNotATick = errors.New("the event is neither a tick of the schedule nor empty")

// event answers a direct invocation, and the schedule, with all details, and looks for trouble.
func (h *handler) event(ctx context.Context, event json.RawMessage) (any, error) {
	if !lambdafn.IsScheduleInput(event) {
		return nil, errNotATick
	}
	report, err := settled(ctx, h.checker, patience)
	if err != nil {
		return nil, err
	}
	note(ctx, report)
	return h.watcher.look(ctx, report), nil
}

// patience is between the first failure and the question that decides: a fail-over of RDS Proxy takes less.
const patience = 3 * time.Second

// settled returns a new report on which the owner may be told something: what fails is asked for again after a while.
func settled(ctx context.Context, checker *healthcheck.Checker, wait time.Duration) (healthcheck.Report, error) {
	report := checker.Now(ctx)
	if len(failing(report)) == 0 {
		return report, nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return report, ctx.Err()
	case <-timer.C:
		return checker.Now(ctx), nil
	}
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
