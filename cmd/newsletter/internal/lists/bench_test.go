package lists

import (
	"fmt"
	"strings"
	"testing"

	"newsletter/internal/fixtures/functiontest"
	"newsletter/shared/operate"
)

// BenchmarkImport imports 100,000 people of a Mailchimp audience through the typed command, as the tool does. Every tenth
// left, and every twentieth bounced.
func BenchmarkImport(b *testing.B) {
	const lines = 100_000
	var list strings.Builder
	list.WriteString("Email Address,MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,UNSUB_TIME,CLEAN_TIME,LEID,EUID,TAGS\n")
	for i := range lines {
		left, bounced := "", ""
		switch {
		case i%20 == 0:
			bounced = "2023-01-02 03:04:05"
		case i%10 == 5:
			left = "2022-07-08 09:10:11"
		}
		fmt.Fprintf(&list, "reader%06d@example%d.org,2,2021-05-04 08:10:11,192.0.2.10,2021-05-04 08:12:00,192.0.2.11,%s,%s,%d,aa%d,readers\n", i, i%997, left, bounced, i, i)
	}
	for b.Loop() {
		b.StopTimer()
		f := setupOn(functiontest.New(b))
		b.StartTimer()
		totals, err := f.try(b.Context(), strings.NewReader(list.String()), Options{}, operate.ListPart{})
		if err != nil || totals["active"] != lines*85/100 || totals["unsubscribed"] != lines/10 || totals["suppressed"] != lines/20 {
			b.Fatalf("%v %v", totals, err)
		}
	}
	b.ReportMetric(float64(lines)*float64(b.N)/b.Elapsed().Seconds(), "lines/s")
}
