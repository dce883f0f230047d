package lambdalocal

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// Start runs the schedules until Close. Each sends its first event at once. As with EventBridge, an event is due at its
// time whether or not the one before it has ended; the function's concurrency bounds how many run.
func (s *Server) Start(ctx context.Context) {
	for _, schedule := range s.config.Schedules {
		go s.run(ctx, schedule)
	}
}

func (s *Server) run(ctx context.Context, schedule Schedule) {
	ticker := time.NewTicker(schedule.Every)
	defer ticker.Stop()
	for {
		go s.fire(ctx, schedule)
		select {
		case <-ctx.Done():
			return
		case <-s.running.Done():
			return
		case <-ticker.C:
		}
	}
}

func (s *Server) fire(ctx context.Context, schedule Schedule) {
	input := schedule.Input
	if input == nil {
		input = scheduledEvent(s.config.Region, schedule.Function, s.config.Now())
	}
	ctx, cancel := context.WithTimeout(ctx, schedule.Every) // EventBridge drops what cannot be delivered
	defer cancel()
	result, err := s.Invoke(ctx, schedule.Function, input)
	switch {
	case s.running.Err() != nil: // a run that lingered was ended with everything else
	case err != nil:
		s.logs.writeLine("schedule | ", fmt.Appendf(nil, "%s: %v", schedule.Function, err))
	case result.FunctionError != "":
		s.logs.writeLine("schedule | ", fmt.Appendf(nil, "%s: %s", schedule.Function, result.Payload))
	}
}

// scheduledEvent is what a rule of EventBridge sends.
func scheduledEvent(region, function string, now time.Time) []byte {
	payload, _ := json.Marshal(map[string]any{ // strings and slices of them always encode
		"version": "0", "id": requestID(), "detail-type": "Scheduled Event", "source": "aws.events",
		"account": "123456789012", "time": now.UTC().Format(time.RFC3339), "region": region,
		"resources": []string{fmt.Sprintf("arn:aws:events:%s:123456789012:rule/%s", region, function)}, "detail": map[string]any{},
	})
	return payload
}
