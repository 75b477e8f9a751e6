package kit

import (
	"context"
	"sync/atomic"
	"testing"
	"time"
)

func TestParallelDoesAllOnce(t *testing.T) {
	for _, workers := range []int{-1, 0, 1, 3, 100} {
		var calls [20]atomic.Int32
		var now, most atomic.Int32
		Parallel(context.Background(), workers, len(calls), func(i int) {
			n := now.Add(1)
			for seen := most.Load(); n > seen && !most.CompareAndSwap(seen, n); seen = most.Load() {
			}
			time.Sleep(100 * time.Microsecond)
			calls[i].Add(1)
			now.Add(-1)
		})
		for i := range calls {
			if n := calls[i].Load(); n != 1 {
				t.Errorf("%d workers: %d is done %d times", workers, i, n)
			}
		}
		if n := int(most.Load()); n > max(workers, 1) {
			t.Errorf("%d at once, want %d at most", n, workers)
		}
	}
	Parallel(context.Background(), 2, 0, func(int) { t.Error("there is nothing to do") })
}

func TestParallelEnds(t *testing.T) {
	const n = 500
	ctx, cancel := context.WithCancel(context.Background())
	done := 0
	Parallel(ctx, 1, n, func(i int) {
		if done++; i == 2 {
			cancel()
		}
	})
	if done != 3 {
		t.Errorf("%d were begun, the context ended at the third", done)
	}

	var begun atomic.Int32
	defer func() {
		if p := recover(); p != "oops" || begun.Load() == n {
			t.Errorf("%d of %d were begun; panic: %v", begun.Load(), n, p)
		}
	}()
	Parallel(context.Background(), 2, n, func(i int) {
		if begun.Add(1); i == 0 {
			panic("oops")
		}
		time.Sleep(time.Millisecond)
	})
}
