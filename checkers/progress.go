package checkers

import "context"

type progressKey struct{}

// WithProgress has whoever judges in the context that is returned call told now and
// then with the share of the work that is done, 0 to 1, from one goroutine.
func WithProgress(ctx context.Context, told func(share float64)) context.Context {
	return context.WithValue(ctx, progressKey{}, told)
}

// Tell tells who asked by WithProgress, if anybody did.
func Tell(ctx context.Context, share float64) {
	if told, ok := ctx.Value(progressKey{}).(func(float64)); ok {
		told(share)
	}
}
