package monitor

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"newsletter/cmd/newsletter/internal/terminal"
	"newsletter/shared/snapshot"
)

// deliveriesSection returns the lines on the destinations, those with failures first.
func deliveriesSection(v View, d snapshot.Deliveries) []string {
	lines := []string{v.title("DELIVERIES, LAST HOUR")}
	if d.Capped {
		lines[0] = v.title(fmt.Sprintf("DELIVERIES, THE LATEST %d", snapshot.MaxDeliveries))
	}
	for _, p := range d.Pauses {
		lines = append(lines, v.Paint.Paint(terminal.Warn, fmt.Sprintf("%s is paused for %s (%s); `newsletter destination list`", p.Destination, terminal.FormatAge(v.Now.Sub(p.At)), p.Reason)))
	}
	if len(d.Destinations) == 0 {
		return append(lines, "none")
	}
	names := slices.SortedFunc(maps.Keys(d.Destinations), func(a, b string) int {
		return cmp.Or(cmp.Compare(rank(d.Destinations[b]), rank(d.Destinations[a])), cmp.Compare(a, b))
	})
	items := make([]string, len(names))
	for i, name := range names {
		items[i] = destinationItem(v, name, d.Destinations[name])
	}
	return append(lines, terminal.Flow(items, v.Width)...)
}

// rank returns 2 if messages were dead-lettered, 1 if some are being retried, otherwise 0.
func rank(d *snapshot.Destination) int {
	switch {
	case d.DeadLettered > 0:
		return 2
	case d.Retrying > 0:
		return 1
	}
	return 0
}

func destinationItem(v View, name string, d *snapshot.Destination) string {
	text := fmt.Sprintf("%s %d", name, d.Delivered)
	if d.DeadLettered > 0 {
		text += fmt.Sprintf(", %d dead", d.DeadLettered)
	}
	if d.Retrying > 0 {
		text += fmt.Sprintf(", %d retrying", d.Retrying)
	}
	if !d.LastDelivered.IsZero() && (v.wide() || rank(d) > 0) {
		text += " (" + terminal.FormatAge(v.Now.Sub(d.LastDelivered)) + " ago)"
	}
	return v.Paint.Paint([]terminal.Color{terminal.Plain, terminal.Warn, terminal.Bad}[rank(d)], text)
}
