package operate

import (
	"context"

	"newsletter/shared/ledger"
	"newsletter/shared/subscription"
)

// The commands on suppressions.
var (
	SuppressionList   = read("suppression list", listSuppressions)
	SuppressionAdd    = record("suppression add", addSuppression)
	SuppressionRemove = record("suppression remove", removeSuppression)
)

// SuppressionFilter selects suppressions.
type SuppressionFilter struct {
	Reason subscription.SuppressionReason `json:"reason,omitempty"` // empty: all
}

// Person is a request about the holder of an address.
type Person struct {
	Email string `json:"email"`
}

// Outcome is the result of a change of one subscriber.
type Outcome struct {
	Outcome subscription.Outcome `json:"outcome"`
}

// listSuppressions lists the suppressions in force, the newest first, without addresses.
func listSuppressions(ctx context.Context, i *Installation, f SuppressionFilter) (l List[subscription.SuppressionEntry], err error) {
	if f.Reason != "" {
		if err := CheckKnown("reason", f.Reason, subscription.SuppressionReasons()); err != nil {
			return l, err
		}
	}
	rows, err := i.store.ListSuppressions(ctx, f.Reason, maxListed)
	if err != nil {
		return l, err
	}
	return list(rows)
}

// addSuppression suppresses an address permanently.
func addSuppression(ctx context.Context, i *Installation, p Person) (Outcome, error) {
	address, err := parseAddress(p.Email)
	if err != nil {
		return Outcome{}, err
	}
	outcome, err := i.store.Suppress(ctx, subscription.Suppression{
		Address: address, Reason: subscription.ByOwner, Actor: ledger.Operator, Visit: visit("tool"),
	})
	return Outcome{outcome}, err
}

// removeSuppression removes the suppressions of an address.
func removeSuppression(ctx context.Context, i *Installation, p Person) (Outcome, error) {
	address, err := parseAddress(p.Email)
	if err != nil {
		return Outcome{}, err
	}
	outcome, err := i.store.RemoveSuppression(ctx, address, visit("tool"))
	if err == nil && outcome == subscription.Unchanged {
		err = Failed("the address is not suppressed")
	}
	return Outcome{outcome}, err
}
