package operate

import (
	"context"

	"newsletter/shared/subscription"
)

// SourceList lists sources that may be worth declaring.
var SourceList = read("source list", listSources)

// SourceFilter selects sources.
type SourceFilter struct {
	// Minimum is the least number of subscribers, at least 1. A value of few subscribers may name one of them.
	Minimum int `json:"minimum"`
}

// listSources lists values as sent that signup.sources does not declare, the commonest first.
func listSources(ctx context.Context, i *Installation, f SourceFilter) (l List[subscription.SentValue], err error) {
	if f.Minimum < 1 {
		return l, Wrong("the minimum must be at least 1")
	}
	values, err := i.store.ListUndeclared(ctx, i.declared, f.Minimum, maxListed)
	if err != nil {
		return l, err
	}
	return list(values)
}
