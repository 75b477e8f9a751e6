package aftershock

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// finish tears the cluster down, closes the record and judges it. It works
// after every kind of end; ctx is not the run's own and is not cancelled.
func (e *execution) finish(ctx context.Context, runErr error) (*Result, error) {
	torn := make(chan error, 1)
	go func() { torn <- e.tearDown(ctx) }()
	recordErr := errors.Join(e.recorder.Close(), e.events.Close())
	if errors.Is(runErr, ErrInfrastructure) && e.roles == nil {
		// Nothing ran: there is nothing to judge.
		err := errors.Join(runErr, <-torn)
		e.discard()
		return nil, err
	}
	result, judgeErr := e.judge(ctx, runErr)
	if errors.Is(runErr, ErrInfrastructure) {
		// One cause is enough: what could not be saved either is in the log.
		e.logFailures(recordErr, judgeErr)
		recordErr, judgeErr = nil, nil
	}
	err := errors.Join(runErr, infrastructure("close the record", recordErr), judgeErr, <-torn)
	e.closeFiles()
	return result, err
}

func (e *execution) logFailures(errs ...error) {
	for _, err := range errs {
		if err != nil {
			e.log.Debug("after the failure", "err", err)
		}
	}
}

// tearDown closes the system's connections and removes the nodes.
func (e *execution) tearDown(ctx context.Context) error {
	if closer, ok := e.system.(io.Closer); ok {
		if err := closer.Close(); err != nil {
			e.log.Debug("closing the system's connections", "err", err)
		}
	}
	if e.cluster == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, cleanupTimeout)
	defer cancel()
	if err := e.cluster.Close(ctx); err != nil {
		return fmt.Errorf("%w: tear down the cluster (`aftershock clean` tries again): %w", ErrInfrastructure, err)
	}
	return nil
}

// judge reads the record back from the disk, as `check` would, and saves what
// it finds there.
func (e *execution) judge(ctx context.Context, runErr error) (*Result, error) {
	scheduleErr := e.dir.WriteSchedule(e.schedule)
	log, memory, err := openHistory(e.dir.Path(), e.options.Memory)
	if err != nil {
		return nil, infrastructure("read the history back", err)
	}
	r := &recorded{dir: e.dir, log: log, memory: memory, plan: e.plan, host: e.host.Name(), image: e.madeOf, claims: e.plan.Claims,
		schedule: e.schedule, started: e.started, varied: e.options.Varied}
	if runErr != nil {
		r.notes = append(r.notes, runErr.Error())
	}
	verdict, measured, err := r.judge(ctx)
	if err != nil {
		return nil, err
	}
	return &Result{Dir: e.dir.Path(), Verdict: verdict}, infrastructure("save the results", cmp.Or(scheduleErr, r.save(verdict, measured)))
}

// discard keeps the run directory of a failed launch only for what the servers
// said; the error tells the rest.
func (e *execution) discard() {
	e.closeFiles()
	if e.cluster == nil {
		_ = os.RemoveAll(e.dir.Path())
	}
}

// closeFiles closes what prepare opened besides the record.
func (e *execution) closeFiles() {
	if e.lock != nil {
		_ = os.Remove(e.lock.Name())
		_ = e.lock.Close()
	}
	if e.logFile != nil {
		_ = e.logFile.Close()
	}
}
