package harness

import (
	"context"
	"errors"

	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/results/judge"
)

// finish tears the cluster down, closes the record and judges it. It works
// after every kind of end; ctx is not the run's own and is not cancelled.
func (e *execution) finish(ctx context.Context, runErr error) (*judge.Result, error) {
	torn := make(chan error, 1)
	go func() { torn <- e.deployment.tearDown(ctx) }()
	recordErr := failure.OutOfSpace(e.record.close(e.now(), e.executed))
	if e.session == nil && (errors.Is(runErr, failure.ErrInfrastructure) || errors.Is(runErr, failure.ErrInput)) {
		// Nothing ran: there is nothing to judge, and nothing to keep but what the
		// servers said, if they were launched and it was not the plan's fault.
		err := errors.Join(runErr, <-torn)
		if e.deployment.cluster == nil || errors.Is(err, failure.ErrInput) {
			e.record.remove()
		} else {
			e.record.release()
		}
		return nil, err
	}
	result, judgeErr := e.judge(ctx, runErr)
	if errors.Is(runErr, failure.ErrInfrastructure) {
		// One cause is enough: what could not be saved either is in the log.
		e.logFailures(recordErr, judgeErr)
		recordErr, judgeErr = nil, nil
	}
	err := errors.Join(runErr, failure.Infrastructure("close the record", recordErr), judgeErr, <-torn)
	e.record.release()
	return result, err
}

func (e *execution) logFailures(errs ...error) {
	for _, err := range errs {
		if err != nil {
			e.record.log.Debug("after the failure", "err", err)
		}
	}
}

// judge reads the record back from the disk, as `check` would, and saves what
// it finds there.
func (e *execution) judge(ctx context.Context, runErr error) (*judge.Result, error) {
	log, memory, err := judge.OpenHistory(e.record.dir.Path(), e.options.Memory)
	if err != nil {
		return nil, failure.Infrastructure("read the history back", err)
	}
	r := &judge.Record{Dir: e.record.dir, Log: log, Memory: memory, Plan: e.plan, Host: e.deployment.host.Name, Image: e.deployment.image, Version: e.deployment.version, Claims: e.plan.Claims,
		Schedule: e.executed, Started: e.started, Machine: e.deployment.machine, Varied: e.varied, Control: e.control, Origin: e.origin}
	if runErr != nil {
		r.Notes = append(r.Notes, runErr.Error())
	}
	moment := e.pace.moment(stepJudge)
	if e.session != nil {
		moment = e.session.progress.moment()
	}
	verdict, measured, err := r.Judge(e.pace.judging(ctx, log.Len(), moment))
	if err != nil {
		return nil, err
	}
	err = failure.Infrastructure("save the results", failure.OutOfSpace(r.Save(verdict, measured)))
	if tookErr := e.record.dir.WriteTook(e.pace.over(e.deployment.host.Name, verdict.History.Ops)); tookErr != nil {
		e.record.log.Debug("the next run will not tell how long its steps take", "err", tookErr)
	}
	return &judge.Result{Dir: e.record.dir.Path(), Verdict: verdict}, err
}
