package load

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/workloads"
)

// fillPatience is how long a worker tries to load one record.
const fillPatience = 20 * time.Second

// Fill loads what the workloads want to be there before the load: every worker its
// part, as fast as answers come, in the warm-up. It tells what was loaded.
func (l *Load) Fill(ctx context.Context) error {
	began := l.Clock.Now()
	loaded, err := l.Loaded(ctx)
	if err != nil {
		return failure.Infrastructure("load the records", err)
	}
	l.TellFilled(loaded, began, l.Clock.Now())
	return nil
}

// TellFilled tells that so many records were loaded.
func (l *Load) TellFilled(loaded int, began, now int64) {
	if loaded > 0 {
		l.Emit(history.Event{At: now, Kind: history.EventNote,
			Detail: fmt.Sprintf("%d records were loaded in %s, before the load", loaded, time.Duration(now-began).Round(time.Millisecond))})
	}
}

// Loaded is Fill that tells nobody.
func (l *Load) Loaded(ctx context.Context) (loaded int, err error) {
	counts := make([]int, len(l.staff()))
	filling, ctx := errgroup.WithContext(ctx)
	for i, w := range l.staff() {
		if _, ok := w.worker.generator.(workloads.Filler); !ok {
			continue
		}
		filling.Go(func() (err error) {
			counts[i], err = w.worker.fillAll(ctx)
			w.buffer.Flush()
			return err
		})
	}
	if err := filling.Wait(); err != nil && !errors.Is(err, context.Canceled) { // that is told by others
		return 0, err
	}
	for _, n := range counts {
		loaded += n
	}
	return loaded, nil
}

// fillAll makes the writes of all lanes of a worker, or its own.
func (w *worker) fillAll(ctx context.Context) (loaded int, err error) {
	if len(w.lanes) == 0 {
		return w.fill(ctx, w.generator.(workloads.Filler))
	}
	for i := 0; i < len(w.lanes) && err == nil; i++ {
		l, n := &w.lanes[i], 0
		w.generator, w.index, w.process = l.generator, l.index, l.process
		n, err = w.fill(ctx, l.generator.(workloads.Filler))
		loaded, l.process = loaded+n, w.process
	}
	return loaded, err
}

// fill makes the writes of one worker, again and again until each succeeds.
func (w *worker) fill(ctx context.Context, filler workloads.Filler) (loaded int, err error) {
	w.timer = time.NewTimer(time.Hour)
	defer w.timer.Stop()
	for since := w.Clock.Now(); filler.Fill(&w.req); {
		op := &w.req.Op
		op.Flags |= w.flags | history.Warmup
		op.Start = w.Clock.Now()
		op.Intended = op.Start
		w.notice()
		w.do(ctx, &w.req)
		switch {
		case op.Outcome == history.OK:
			loaded, since = loaded+1, w.Clock.Now()
		case ctx.Err() != nil:
			return loaded, context.Canceled
		case w.Clock.Now()-since > int64(fillPatience):
			return loaded, fmt.Errorf("key %d could not be written in %s: %s", op.Key, fillPatience, op.Error)
		}
	}
	return loaded, nil
}
