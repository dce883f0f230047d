package capture

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/getsentry/sentry-go"
)

// monitor is a function's monitor in Sentry Crons.
type monitor struct {
	slug   string
	config *sentry.MonitorConfig
}

// maxRunMinutes is when Sentry considers an unfinished run failed: no Lambda function runs longer.
const maxRunMinutes = 15

// units maps AWS's units of a rate to Sentry's and to minutes.
var units = map[string]struct {
	name    sentry.MonitorScheduleUnit
	minutes int64
}{
	"minute": {sentry.MonitorScheduleUnitMinute, 1}, "hour": {sentry.MonitorScheduleUnitHour, 60}, "day": {sentry.MonitorScheduleUnitDay, 24 * 60},
}

// newMonitor parses an AWS rate, such as "rate(5 minutes)".
func newMonitor(schedule, function string) (*monitor, error) {
	text, isRate := strings.CutPrefix(strings.TrimSuffix(schedule, ")"), "rate(")
	number, word, _ := strings.Cut(text, " ")
	count, err := strconv.ParseInt(number, 10, 32)
	unit, known := units[strings.TrimSuffix(word, "s")]
	if err != nil || count < 1 || !known || !isRate {
		return nil, errors.New(`SCHEDULE: must be a rate such as "rate(1 minute)"`)
	}
	return &monitor{"newsletter-" + function, &sentry.MonitorConfig{
		Schedule: sentry.IntervalSchedule(count, unit.name), CheckInMargin: margin(count * unit.minutes), MaxRuntime: maxRunMinutes, Timezone: "UTC",
		FailureIssueThreshold: 1, RecoveryThreshold: 1,
	}}, nil
}

// margin returns how many minutes late a run may be: 1/24 of the interval, and at least two minutes, because the
// scheduler
// is precise to one minute.
func margin(minutes int64) int64 { return max(2, minutes/24) }

// CheckIn sends Sentry the start of a scheduled run. The caller calls end with the run's error. Without check-ins
// both do
// nothing.
func CheckIn(ctx context.Context) (end func(err error)) {
	i := of(ctx)
	if i == nil || i.monitor == nil {
		return func(error) {}
	}
	began := time.Now()
	id := i.checkIn(&sentry.CheckIn{MonitorSlug: i.monitor.slug, Status: sentry.CheckInStatusInProgress})
	return func(err error) {
		status := sentry.CheckInStatusOK
		if err != nil {
			status = sentry.CheckInStatusError
		}
		i.checkIn(&sentry.CheckIn{ID: id, MonitorSlug: i.monitor.slug, Status: status, Duration: time.Since(began)})
	}
}

// checkIn returns the check-in's id, which connects the end of a run to its start.
func (i *invocation) checkIn(c *sentry.CheckIn) sentry.EventID {
	i.mu.Lock()
	i.sent = true
	i.mu.Unlock()
	if id := i.hub.CaptureCheckIn(c, i.monitor.config); id != nil {
		return *id
	}
	return c.ID
}
