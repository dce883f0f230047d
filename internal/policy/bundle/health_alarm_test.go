package bundle

import (
	"strconv"
	"strings"
	"testing"

	"newsletter/internal/local/samtemplate"
)

// TestHealthAlarmFollowsTheRate checks the alarm's period at each rate of health. A shorter period would fire without a
// cause, a longer one too late.
func TestHealthAlarmFollowsTheRate(t *testing.T) {
	document, err := samtemplate.Document([]byte(templateText(t)))
	if err != nil {
		t.Fatal(err)
	}
	rates := list(mapping(mapping(document["Parameters"])["HealthRate"])["AllowedValues"])
	if len(rates) < 2 {
		t.Fatalf("rates %v, want at least two", rates)
	}
	for _, rate := range rates {
		resources, err := samtemplate.Resolve(document, map[string]string{"HealthRate": text(rate)})
		if err != nil {
			t.Fatal(err)
		}
		alarm := mapping(mapping(resources["HealthStopped"])["Properties"])
		count, unit, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(text(rate), "rate("), ")"), " ")
		seconds, err := strconv.Atoi(count)
		if err != nil {
			t.Fatal(err)
		}
		seconds *= map[string]int{"minute": 60, "minutes": 60, "hour": 3600}[unit]
		period, _ := alarm["Period"].(int)
		periods, _ := alarm["EvaluationPeriods"].(int)
		if seconds == 0 || period != seconds {
			t.Errorf("%v: health runs every %d s, the alarm's period is %d s", rate, seconds, period)
		}
		if periods < 3 || period*periods < 300 || period*periods > 3*3600 {
			t.Errorf("%v: the alarm fires after %d periods, %d s", rate, periods, period*periods)
		}
	}
}
