package lambdafn

import (
	"context"
	"sync"
)

// Warm opens connections within INIT, side by side, so that no visitor waits for them. A failure is logged and costs
// the environment nothing: the first request tries again.
func Warm(ctx context.Context, dials ...func(context.Context) error) {
	var all sync.WaitGroup
	for _, dial := range dials {
		all.Go(func() {
			if err := dial(ctx); err != nil {
				Logger(ctx).Warn("warm up", "err", err)
			}
		})
	}
	all.Wait()
}
