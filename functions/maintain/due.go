package main

import (
	"context"
	"fmt"
	"time"

	"newsletter/shared/capture"
	"newsletter/shared/lambdafn"
)

// warnBefore is how long before its due date an open privacy request is reported, every day: day 20 of the month that the
// law gives.
const warnBefore = 8 * 24 * time.Hour

// warn reports privacy requests that the operator has entered and that are to be answered soon.
func (h *handler) warn(ctx context.Context) error {
	open, err := h.store.PrivacyRequests(ctx, false)
	if err != nil || len(open) == 0 || open[0].DueAt.Sub(h.now()) > warnBefore { // the most urgent is the first
		return err
	}
	urgent := 0
	for _, r := range open {
		if r.DueAt.Sub(h.now()) <= warnBefore {
			urgent++
		}
	}
	due := open[0].DueAt.Format(time.DateOnly)
	lambdafn.Logger(ctx).Error("privacy requests are due", "requests", urgent, "due", due)
	capture.Error(ctx, fmt.Errorf("privacy requests are to be answered by %s; see `newsletter privacy list`", due))
	return nil
}
