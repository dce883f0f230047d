package lambdafn

import (
	"context"
	"sync"
)

// Warm opens connections in parallel during INIT, so that no visitor waits for them. It logs a failure and continues:
// the
// first request tries again.
func Warm(ctx context.Context, dials ...func(context.Context) error) {
	var all sync.WaitGroup
	for _, dial := range dials {
		all.Go(func() {
			if err := dial(ctx); err != nil {
				Logger(ctx).WarnContext(ctx, "warm-up failed", "err", err)
			}
		})
	}
	all.Wait()
}
