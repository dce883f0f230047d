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

// live answers that the function runs, without any check.
func (h *handler) live(context.Context, *httpapi.Request) (*httpapi.Response, error) {
	return answer(http.StatusOK, map[string]any{"status": healthcheck.Pass}), nil
}

// ready answers with the status of each check, and nothing about the cause.
func (h *handler) ready(ctx context.Context, _ *httpapi.Request) (*httpapi.Response, error) {
	report := h.checker.Report(ctx)
	note(ctx, report)
	status := http.StatusOK
	if report.Status == healthcheck.Fail {
		status = http.StatusServiceUnavailable
	}
	return answer(status, report.Public()).WithOutcome(string(report.Status)), nil
}

var errUnknownEvent = errors.New("the event is neither empty nor from the schedule")

// event answers the schedule and a direct invocation with all details, and evaluates the alerts.
func (h *handler) event(ctx context.Context, event json.RawMessage) (any, error) {
	if !lambdafn.IsScheduleInput(event) {
		return nil, errUnknownEvent
	}
	report, err := confirmedReport(ctx, h.checker, recheckDelay)
	if err != nil {
		return nil, err
	}
	note(ctx, report)
	return h.watcher.run(ctx, report), nil
}

// recheckDelay is the time from a failed check to the one that decides. A failover of RDS Proxy takes less.
const recheckDelay = 3 * time.Second

// confirmedReport returns a new report. If a check failed, it is that of a second run after a delay.
func confirmedReport(ctx context.Context, checker *healthcheck.Checker, delay time.Duration) (healthcheck.Report, error) {
	report := checker.Now(ctx)
	if len(failedChecks(report)) == 0 {
		return report, nil
	}
	timer := time.NewTimer(delay)
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

// note adds the status of each check to the log line.
func note(ctx context.Context, report healthcheck.Report) {
	lambdafn.Note(ctx, slog.String("outcome", string(report.Status)))
	for name, components := range report.Checks {
		for _, c := range components {
			lambdafn.Note(ctx, slog.String("check_"+name, string(c.Status)))
		}
	}
}
