package bundle

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"newsletter/internal/samtemplate"
)

// TestHealthAlarmFollowsTheRate checks the alarm's period at each rate of health. A shorter period would fire without a
// cause, a longer one too late.
func TestHealthAlarmFollowsTheRate(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "template.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	document, err := samtemplate.Document(text)
	if err != nil {
		t.Fatal(err)
	}
	alarm := mapping(mapping(mapping(document["Resources"])["HealthStopped"])["Properties"])
	rates := list(mapping(mapping(document["Parameters"])["HealthRate"])["AllowedValues"])
	if len(rates) < 2 {
		t.Fatalf("rates %v, want at least two", rates)
	}
	for _, rate := range rates {
		count, unit, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(value(rate), "rate("), ")"), " ")
		seconds, err := strconv.Atoi(count)
		if err != nil {
			t.Fatal(err)
		}
		seconds *= map[string]int{"minute": 60, "minutes": 60, "hour": 3600}[unit]
		period, _ := decide(t, document, alarm["Period"], value(rate)).(int)
		periods, _ := decide(t, document, alarm["EvaluationPeriods"], value(rate)).(int)
		if seconds == 0 || period != seconds {
			t.Errorf("%v: health runs every %d s, the alarm's period is %d s", rate, seconds, period)
		}
		if periods < 3 || period*periods < 300 || period*periods > 3*3600 {
			t.Errorf("%v: the alarm fires after %d periods, %d s", rate, periods, period*periods)
		}
	}
}

// decide resolves Fn::If for conditions that compare HealthRate with a string.
func decide(t *testing.T, document map[string]any, v any, rate string) any {
	t.Helper()
	branches := list(mapping(v)["Fn::If"])
	if len(branches) != 3 {
		return v
	}
	sides := list(mapping(mapping(document["Conditions"])[value(branches[0])])["Fn::Equals"])
	if len(sides) != 2 || value(sides[0]) != "HealthRate" {
		t.Fatalf("the condition %v does not compare HealthRate", branches[0])
	}
	if value(sides[1]) == rate {
		return decide(t, document, branches[1], rate)
	}
	return decide(t, document, branches[2], rate)
}
