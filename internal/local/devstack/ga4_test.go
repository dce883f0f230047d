package devstack

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

const wholeCount = `{"client_id":"1234567890.1234567891","timestamp_micros":1767225600000000,"non_personalized_ads":true,
"consent":{"ad_user_data":"DENIED","ad_personalization":"DENIED"},
"events":[{"name":"newsletter_signup","params":{"session_id":"1234567890","engagement_time_msec":1,"source":"blog"}}]}`

func TestTheFakeOfGoogleAnalyticsSeesWhatIsDropped(t *testing.T) {
	now := func() time.Time { return time.Date(2026, 1, 1, 1, 0, 0, 0, time.UTC) }
	const path = "/mp/collect?measurement_id=" + GA4ID + "&api_secret=" + GA4Secret
	for name, test := range map[string]struct{ path, old, new string }{
		"whole":            {path, "", ""},
		"wrong property":   {"/mp/collect?measurement_id=G-OTHER&api_secret=" + GA4Secret, "", ""},
		"wrong secret":     {"/mp/collect?measurement_id=" + GA4ID + "&api_secret=x", "", ""},
		"another path":     {"/collect?measurement_id=" + GA4ID + "&api_secret=" + GA4Secret, "", ""},
		"no client":        {path, "1234567890.1234567891", ""},
		"a user id":        {path, `"non_p`, `"user_id":"x","non_p`},
		"too old":          {path, "1767225600000000", "1766880000000000"},
		"in the future":    {path, "1767225600000000", "1767240000000000"},
		"advertising":      {path, "DENIED", "GRANTED"},
		"personalized":     {path, "true", "false"},
		"no events":        {path, `[{"name":"newsletter_signup"`, `[],"x":[{"name":"newsletter_signup"`},
		"name":             {path, "newsletter_signup", "newsletter signup"},
		"reserved name":    {path, "newsletter_signup", "ga_signup"},
		"long name":        {path, "newsletter_signup", strings.Repeat("n", 41)},
		"no session":       {path, "session_id", "session"},
		"long value":       {path, "blog", strings.Repeat("b", 101)},
		"address in value": {path, "blog", "jane@example.org"},
		"not JSON":         {path, `{"client_id"`, `"client_id"`},
	} {
		t.Run(name, func(t *testing.T) {
			double, answer := NewGA4(now), httptest.NewRecorder()
			double.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, test.path, strings.NewReader(strings.Replace(wholeCount, test.old, test.new, 1))))
			counted := len(double.Events()) == 1 && len(double.Problems()) == 0
			if answer.Code != http.StatusNoContent || counted != (name == "whole") {
				t.Errorf("%d %v %v", answer.Code, double.Events(), double.Problems())
			}
		})
	}
}
