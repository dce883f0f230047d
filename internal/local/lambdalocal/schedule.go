package lambdalocal

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// Start runs the schedules until ctx ends or Close. Each sends its first event at once. As with EventBridge, an event
// is due at its time whether or not the one before it has ended; the function's concurrency bounds how many run, and an
// event that found no free environment by the time of the next is dropped.
func (s *Server) Start(ctx context.Context) {
	for _, schedule := range s.config.Schedules {
		s.schedules.Go(func() { s.run(ctx, schedule) })
	}
}

func (s *Server) run(ctx context.Context, schedule Schedule) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.running, cancel)()
	ticker := time.NewTicker(schedule.Every)
	defer ticker.Stop()
	for {
		s.schedules.Go(func() { s.fire(ctx, schedule) })
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// fire sends one event and, as nobody waits for its result, logs what went wrong.
func (s *Server) fire(ctx context.Context, schedule Schedule) {
	input := schedule.Input
	if len(input) == 0 {
		input = scheduledEvent(s.config.Region, schedule.Function, s.config.Now())
	}
	deliver, cancel := context.WithTimeout(ctx, schedule.Every)
	defer cancel()
	done, err := s.send(deliver, schedule.Function, input)
	if err != nil {
		if ctx.Err() == nil {
			s.logs.writeLine("schedule | ", fmt.Appendf(nil, "%s: %v", schedule.Function, err))
		}
		return
	}
	o := <-done
	if o.result.FunctionError != "" && s.running.Err() == nil { // at Close, a run that lingers is ended with everything else
		s.logs.writeLine("schedule | ", fmt.Appendf(nil, "%s: %s", schedule.Function, o.result.Payload))
	}
}

// scheduledEvent returns the event of an EventBridge rule.
func scheduledEvent(region, function string, now time.Time) []byte {
	payload, _ := json.Marshal(map[string]any{ // strings and slices of them always encode
		"version": "0", "id": requestID(), "detail-type": "Scheduled Event", "source": "aws.events",
		"account": account, "time": now.UTC().Format(time.RFC3339), "region": region,
		"resources": []string{"arn:aws:events:" + region + ":" + account + ":rule/" + function}, "detail": map[string]any{},
	})
	return payload
}
