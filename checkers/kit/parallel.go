package kit

import (
	"context"
	"sync"
	"sync/atomic"
)

// Parallel calls do for 0 to n-1 on at most so many goroutines, and returns
// when all have ended. When ctx ends it starts no more. A panic in do is
// raised again in the caller, where it can be contained.
func Parallel(ctx context.Context, workers, n int, do func(i int)) {
	var (
		next    atomic.Int64
		failure atomic.Pointer[any]
		group   sync.WaitGroup
	)
	work := func() {
		defer func() {
			if p := recover(); p != nil {
				failure.CompareAndSwap(nil, &p)
			}
		}()
		for ctx.Err() == nil && failure.Load() == nil {
			i := int(next.Add(1)) - 1
			if i >= n {
				return
			}
			do(i)
		}
	}
	for range min(max(workers, 1), n) {
		group.Go(work)
	}
	group.Wait()
	if p := failure.Load(); p != nil {
		panic(*p)
	}
}
