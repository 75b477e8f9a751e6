package harness

import (
	"context"
	"log/slog"
	"sync"
)

// actor is an activity that goes on beside the phases of a run.
type actor struct {
	name string
	run  func(context.Context) error // until its context ends, or until it has no more to do
	// vital: the run cannot go on when run fails. Otherwise it goes on without.
	vital bool
}

// actors run until they are stopped, all at once. Unlike those of oklog/run they
// are started as the phases come to need them, and the end of one is not the end
// of all: a node's log ends with the node.
type actors struct {
	ctx     context.Context
	cancel  context.CancelFunc
	fail    func(error) // is given the error of a vital actor
	log     *slog.Logger
	running sync.WaitGroup
}

// newActors has no actor yet; those that are started later live in ctx at most.
func newActors(ctx context.Context, log *slog.Logger, fail func(error)) *actors {
	ctx, cancel := context.WithCancel(ctx)
	return &actors{ctx: ctx, cancel: cancel, fail: fail, log: log}
}

func (a *actors) start(list ...actor) {
	for _, one := range list {
		a.running.Go(func() {
			err := one.run(a.ctx)
			switch {
			case err == nil:
			case one.vital:
				a.fail(err)
			default:
				a.log.Error("an activity beside the run failed", "activity", one.name, "err", err)
			}
		})
	}
}

// stop ends every actor and waits until all have ended. A second stop does
// nothing.
func (a *actors) stop() {
	a.cancel()
	a.running.Wait()
}

// silent is the run of an actor that cannot fail.
func silent(run func(context.Context)) func(context.Context) error {
	return func(ctx context.Context) error {
		run(ctx)
		return nil
	}
}
