package bundle

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"newsletter/internal/samtemplate"
)

// The dead man's switch waits for several looks of health, at each rate that may be chosen: an alarm that looks more often
// than health does would always be raised, one that looks less often would come too late.
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
		t.Fatalf("the rates are %v", rates)
	}
	for _, rate := range rates {
		count, unit, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(value(rate), "rate("), ")"), " ")
		seconds, err := strconv.Atoi(count)
		if err != nil {
			t.Fatal(err)
		}
		seconds *= map[string]int{"minute": 60, "minutes": 60, "hour": 3600}[unit]
		period, _ := decide(t, document, alarm["Period"], value(rate)).(int)
		looks, _ := decide(t, document, alarm["EvaluationPeriods"], value(rate)).(int)
		if seconds == 0 || period != seconds {
			t.Errorf("at %v health looks every %d s, and the alarm every %d s", rate, seconds, period)
		}
		if looks < 3 || period*looks < 300 || period*looks > 3*3600 {
			t.Errorf("at %v the alarm is raised after %d looks, %d s", rate, looks, period*looks)
		}
	}
}

// decide follows choices whose conditions compare HealthRate with a text.
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
