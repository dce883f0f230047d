package operate

import (
	"context"
	"maps"
	"slices"
	"time"

	"newsletter/shared/requeststats"
)

// Perf assesses the latency of each route.
var Perf = read("perf", assessRoutes)

// RouteHours is the number of hours in Route.Hours, the current one last.
const RouteHours = 24

// coldDays is the number of days whose cold starts are counted.
const coldDays = 7

// RouteFilter selects routes.
type RouteFilter struct {
	Endpoint string        `json:"endpoint,omitempty"` // such as "subscribe POST"; empty: all
	Target   time.Duration `json:"target"`             // of the 95th percentile, in nanoseconds; more than 0
}

// Routes are routes, and when the function that counts their requests last ran.
type Routes struct {
	Routes []Route   `json:"routes"`
	Health HealthRun `json:"health"`
}

// Route is the latency of a route.
type Route struct {
	Endpoint string                     `json:"endpoint"`
	Hour     requeststats.Interval      `json:"last_hour"`
	Usual    requeststats.Usual         `json:"usual"`
	Slower   bool                       `json:"slower_than_usual"`
	Trend    requeststats.Trend         `json:"trend"`
	Crosses  *float64                   `json:"crosses_in_days,omitempty"`
	Cold     requeststats.Interval      `json:"cold_starts"` // of seven days
	Hours    [RouteHours]*time.Duration `json:"p95_by_hour"` // nil without requests
}

func assessRoutes(ctx context.Context, i *Installation, f RouteFilter) (r Routes, err error) {
	if f.Target <= 0 {
		return r, Wrong("the target must be positive")
	}
	all, err := i.readRoutes(ctx, f.Target)
	if err != nil {
		return r, err
	}
	var names []string
	r.Routes = []Route{}
	for _, route := range all {
		names = append(names, route.Endpoint)
		if f.Endpoint == "" || f.Endpoint == route.Endpoint {
			r.Routes = append(r.Routes, route)
		}
	}
	if f.Endpoint != "" && len(names) > 0 {
		if err := CheckKnown("endpoint", f.Endpoint, names); err != nil {
			return r, err
		}
	}
	r.Health, err = i.lastHealth(ctx)
	return r, err
}

// readRoutes reads all routes, by name.
func (i *Installation) readRoutes(ctx context.Context, target time.Duration) ([]Route, error) {
	now := i.now()
	figures := requeststats.NewReader(i.db, func() time.Time { return now })
	assessed, err := figures.Assess(ctx)
	if err != nil {
		return nil, err
	}
	hours, err := figures.Hours(ctx, RouteHours)
	if err != nil {
		return nil, err
	}
	latest, err := figures.Latest(ctx)
	if err != nil {
		return nil, err
	}
	cold, err := figures.ColdStarts(ctx, coldDays)
	if err != nil {
		return nil, err
	}
	all := map[string]Route{}
	for _, a := range assessed {
		r := Route{Usual: a.Usual, Slower: a.Slower, Trend: a.Trend}
		if days, crosses := a.Trend.Crosses(target); crosses {
			r.Crosses = &days
		}
		all[a.Endpoint] = r
	}
	first := now.UTC().Truncate(time.Hour).Add((1 - RouteHours) * time.Hour)
	for name, list := range hours {
		r := all[name]
		for _, h := range list {
			r.Hours[int(h.At.Sub(first)/time.Hour)] = &h.P95
		}
		all[name] = r
	}
	for name, list := range latest {
		r := all[name]
		r.Hour = list[0]
		all[name] = r
	}
	for name, list := range cold {
		r := all[name]
		r.Cold = list[0]
		all[name] = r
	}
	var routes []Route
	for _, name := range slices.Sorted(maps.Keys(all)) {
		r := all[name]
		r.Endpoint = name
		routes = append(routes, r)
	}
	return routes, nil
}
