package main

import (
	"strings"
	"testing"
	"time"

	"newsletter/shared/operate"
	"newsletter/shared/requeststats"
)

func TestRoutesAreDrawn(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	var hours [operate.RouteHours]*time.Duration
	for i := range hours {
		hours[i] = new(time.Nanosecond)
	}
	soon, far := 12.4, 657.0
	draw := func(routes ...operate.Route) string {
		var b strings.Builder
		drawRoutes(&b, false, routes, 200*ms)
		return b.String()
	}
	busy := operate.Route{
		Endpoint: "subscribe POST", Hour: requeststats.Interval{Requests: 12045, Errors: 7, P50: 12 * ms, P95: 143 * ms, P99: 612 * ms}, Hours: hours,
		Usual: requeststats.Usual{Median: 43 * ms, MAD: 2 * ms, Weeks: 6}, Slower: true, Cold: requeststats.Interval{Requests: 3, P50: 200 * ms, P95: 210 * ms},
	}
	quiet := operate.Route{Endpoint: "confirm GET", Hours: hours}
	got := draw(quiet, busy)
	for _, want := range []string{
		"ROUTE           REQUESTS  ERRORS    P50     P95     P99       USUAL P95  P95 OF 24 HOURS\n",
		"confirm GET            0       –      –       –       –         unknown  ████████████████████████\n",
		"subscribe POST     12045  <0.1 %  12 ms  143 ms  612 ms  43 ms ± 2.0 ms  ████████████████████████  SLOWER THAN USUAL\n",
		"\nTrends need seven days", "\nCold starts of the last 7 days\nROUTE           REQUESTS     P50     P95\nsubscribe POST         3  200 ms  210 ms\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	trend := requeststats.Trend{Known: true, Rising: true, PerDay: 3 * ms, Now: 150 * ms}
	for name, test := range map[string]struct {
		route operate.Route
		want  string
	}{
		"soon":    {operate.Route{Endpoint: "confirm GET", Trend: trend, Crosses: &soon}, "confirm GET rises by 3.0 ms a day and will exceed 200 ms in 12 days."},
		"above":   {operate.Route{Endpoint: "confirm GET", Trend: trend}, "confirm GET rises by 3.0 ms a day and exceeds 200 ms."},
		"far off": {operate.Route{Endpoint: "confirm GET", Trend: trend, Crosses: &far}, ""},
	} {
		if got := draw(test.route); !strings.Contains(got, test.want) || test.want == "" && strings.Contains(got, "rises") {
			t.Errorf("%s: %s", name, got)
		}
	}
}
