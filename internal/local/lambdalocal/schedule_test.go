package lambdalocal

import (
	"context"
	"encoding/json"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestTheEnvelopeIsEventBridges(t *testing.T) {
	var got map[string]any
	if err := json.Unmarshal(scheduledEvent("eu-central-1", "health", time.Date(1970, 1, 1, 1, 0, 0, 0, time.FixedZone("", 3600))), &got); err != nil {
		t.Fatal(err)
	}
	if id, _ := got["id"].(string); !regexp.MustCompile(`^[0-9a-f-]{36}$`).MatchString(id) {
		t.Errorf("id %q", id)
	}
	delete(got, "id")
	want := map[string]any{
		"version": "0", "detail-type": "Scheduled Event", "source": "aws.events", "account": "123456789012", "region": "eu-central-1",
		"time": "1970-01-01T00:00:00Z", "resources": []any{"arn:aws:events:eu-central-1:123456789012:rule/health"}, "detail": map[string]any{},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

// The first event comes at once, the next at its time whether or not the first has ended.
func TestSchedulesFire(t *testing.T) {
	t.Parallel()
	for name, input := range map[string][]byte{"input": []byte(`{"do":"error","scheduled":true}`), "envelope": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, logs := start(t, Function{}, Schedule{Function: "probe", Every: time.Hour, Input: input})
			s.Start(t.Context())
			eventually(t, "the function runs", func() bool { return strings.Contains(logs.String(), "probe | started") })
			if name == "input" {
				eventually(t, "its error is logged", func() bool { return strings.Contains(logs.String(), `schedule | probe: {"errorMessage":"no luck"`) })
			}
			if err := s.Close(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestSchedulesOverlapUpToTheConcurrencyAndDropTheRest(t *testing.T) {
	t.Parallel()
	busy := filepath.Join(t.TempDir(), "busy")
	s, logs := start(t, Function{Concurrency: 2}, Schedule{Function: "probe", Every: 100 * time.Millisecond, Input: []byte(`{"do":"hang","file":"` + busy + `"}`)})
	s.Start(t.Context())
	eventually(t, "two run at a time", func() bool { return s.Environments("probe") == 2 })
	eventually(t, "what finds no place is dropped", func() bool {
		return strings.Contains(logs.String(), "schedule | probe: invoke probe: all environments are busy")
	})
	if n := s.Environments("probe"); n != 2 {
		t.Errorf("%d environments", n)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = s.Close(ctx)
	length := len(logs.String())
	time.Sleep(300 * time.Millisecond) // three more would have been due
	if more := logs.String()[length:]; more != "" {
		t.Errorf("logged after Close: %q", more)
	}
}

func TestSchedulesEndWithTheirContext(t *testing.T) {
	t.Parallel()
	s, logs := start(t, Function{Concurrency: 1}, Schedule{Function: "probe", Every: 50 * time.Millisecond, Input: []byte(`{"do":"error"}`)})
	ctx, cancel := context.WithCancel(t.Context())
	s.Start(ctx)
	eventually(t, "it fires again and again", func() bool { return strings.Count(logs.String(), `schedule | probe: {"errorMessage":"no luck"`) > 2 })
	cancel()
	s.schedules.Wait()
	if decode(t, call(t, s, `{}`)).Calls < 3 {
		t.Error("the environment did not live on")
	}
}
