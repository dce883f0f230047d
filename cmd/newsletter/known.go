package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"newsletter/shared/config"
	"newsletter/shared/outbox"
	"newsletter/shared/webhook"
)

// checkKnown returns an errUsage that lists the known values if value is not among them.
func checkKnown[T ~string](what string, value T, known []T) error {
	if slices.Contains(known, value) {
		return nil
	}
	names := make([]string, len(known))
	for i, name := range known {
		names[i] = string(name)
	}
	slices.Sort(names)
	return errUsage(fmt.Sprintf("unknown %s %q; known: %s", what, string(value), strings.Join(slices.Compact(names), ", ")))
}

// knownDestinations lists what can be paused: the destinations of this version, the owner's endpoints that are
// configured here or that the outbox has rows for, and what is paused.
func knownDestinations(ctx context.Context, db *operatorDB) ([]string, error) {
	all := append(outbox.Destinations(), config.Read[webhook.Config](db.env).Names()...)
	kinds, err := db.queue.ListKinds(ctx)
	if err != nil {
		return nil, err
	}
	for _, kind := range kinds {
		if name := kind.Recipient(); name != "" {
			all = append(all, name)
		}
	}
	pauses, err := db.queue.ListPauses(ctx)
	for _, p := range pauses {
		all = append(all, p.Destination)
	}
	return all, err
}
