package monitor

import (
	"newsletter/cmd/newsletter/internal/terminal"
	"newsletter/shared/snapshot"
)

func signUpsSection(v View, s snapshot.SignUps) []string {
	requested, confirmed := s.Requested.Sum(), s.Confirmed.Sum()
	count := func(n int64) string { return atLeast(n, s.Capped) }
	draw := func(of snapshot.Series) string { return terminal.Sparkline(of[:], snapshot.Slots) }
	return terminal.Columns("lrrl",
		v.titles("SIGN-UPS, LAST HOUR", "", "", ""),
		[]string{"requested", count(requested), "", draw(s.Requested)},
		[]string{"confirmed", count(confirmed), terminal.FormatPercent(confirmed, requested), draw(s.Confirmed)},
		[]string{"unsubscribed", count(s.Unsubscribed.Sum()), "", draw(s.Unsubscribed)},
	)
}
