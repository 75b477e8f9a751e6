package aftershock

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/workloads"
)

const (
	// launchTimeout bounds everything up to the first operation.
	launchTimeout = 2 * time.Minute
	// cleanupTimeout bounds the healing and the tearing down of a run.
	cleanupTimeout = 30 * time.Second
	// settleEvery is the pace of the health checks after the faults.
	settleEvery = 25 * time.Millisecond
)

// execution is one run under way.
type execution struct {
	plan    *Plan
	options Options
	host    cluster.Host
	log     *slog.Logger
	clock   history.Clock
	started time.Time

	dir      *results.Dir
	lock     *os.File
	logFile  *os.File
	events   *history.EventLog
	recorder *history.Recorder
	loads    []workloads.Workload
	target   targets.Info
	madeOf   string // the nodes' image
	system   targets.System
	cluster  cluster.Cluster
	nodes    []*cluster.Node
	roles    *roles
	engine   *faults.Engine
	schedule []faults.Planned
	tally    *tally
	watch    *watcher
	report   *reporter

	background sync.WaitGroup  // node logs, exits, roles, operator, live line
	life       context.Context // of the background; outlives the run's own
}

// execute runs the plan on a host that works from this process.
func execute(ctx context.Context, plan *Plan, options Options, host cluster.Host) (*Result, error) {
	e := &execution{plan: plan, options: options, host: host, log: options.Logger,
		clock: history.NewClock(), started: time.Now()} // the clock is set again once the nodes are up
	if err := e.prepare(); err != nil {
		return nil, err
	}
	runErr := e.drive(ctx)
	if ctx.Err() != nil {
		runErr = fmt.Errorf("%w after %s", ErrInterrupted, time.Since(e.started).Round(time.Millisecond))
		e.emit(history.Event{At: e.clock.Now(), Kind: history.EventGateFailed, Detail: "the run was interrupted"})
	}
	return e.finish(context.WithoutCancel(ctx), runErr)
}

// drive launches the system and takes the run through its phases.
func (e *execution) drive(ctx context.Context) error {
	var end context.CancelFunc
	e.life, end = context.WithCancel(context.WithoutCancel(ctx))
	defer func() {
		end()
		e.background.Wait()
	}()
	if err := e.launch(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	load, stopLoad := context.WithCancel(ctx)
	defer stopLoad()
	e.background.Go(func() {
		select {
		case err := <-e.recorder.Failed():
			cancel(infrastructure("the run was stopped", outOfSpace(err)))
		case <-e.life.Done():
		}
	})
	e.startBackground()
	e.startWatcher(stopLoad)
	stopPollers := e.load(load)
	defer stopPollers()
	e.heal(ctx)
	if ctx.Err() == nil && e.settle(ctx) {
		e.phase("final", e.clock.Now())
		e.finalReads(ctx)
	}
	e.phase("end", e.clock.Now())
	return context.Cause(ctx)
}

// startWatcher starts checking registers while they are in use.
func (e *execution) startWatcher(stop func()) {
	if e.watch == nil {
		return
	}
	e.watch.clock = e.clock
	e.watch.found = func(v checkers.Violation) {
		detail := fmt.Sprintf("not linearizable: %s, %s", v.Workload, v.Text)
		if e.plan.StopOn == "violated" {
			detail += "; the load ends here (stop_on: violated)"
		}
		e.emit(history.Event{At: e.clock.Now(), Kind: history.EventNote, Detail: detail})
		if e.plan.StopOn == "violated" {
			stop()
		}
	}
	e.background.Go(func() { e.watch.run(e.life) })
}

// heal ends every fault that is still in force, also when ctx has ended.
func (e *execution) heal(ctx context.Context) {
	e.phase("heal", e.clock.Now())
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	if err := e.engine.HealAll(ctx); err != nil {
		e.emit(history.Event{At: e.clock.Now(), Kind: history.EventGateFailed, Detail: "healing failed: " + err.Error()})
	}
}

// load runs the workloads and the faults until the end of the measured phase.
// The pollers of the lag workload, and the questions for the system's own lag,
// go on until the returned function is called, so that the last markers can
// still be seen.
func (e *execution) load(ctx context.Context) func() {
	start := e.clock.Now()
	s := span{start: start, measure: start + int64(e.plan.Warmup), stop: start + int64(e.plan.Warmup+e.plan.Duration)}
	e.report.start.Store(start)
	e.phase("warmup", start)
	polling, stopPolling := context.WithCancel(ctx)
	var workers, pollers, scheduled sync.WaitGroup
	if a := newLagAsker(e.system, e.nodes, e.clock, e.events.Append); a != nil {
		pollers.Go(func() {
			if err := a.run(polling); err != nil {
				e.log.Error("the system's own lag could not be recorded", "err", err)
			}
		})
	}
	for _, w := range e.workers() {
		if w.worker.filter != nil {
			endless := s
			endless.stop = 1<<63 - 1
			pollers.Go(func() { w.worker.run(polling, endless); w.buffer.Flush() })
			continue
		}
		workers.Go(func() { w.worker.run(ctx, s); w.buffer.Flush() })
	}
	scheduled.Go(func() {
		if !sleepUntil(ctx, e.clock, s.measure) {
			return
		}
		e.phase("measure", s.measure)
		e.engine.Base = s.measure
		executed, err := e.engine.Run(ctx, e.schedule)
		if executed != nil {
			e.schedule = executed
		}
		if err != nil && ctx.Err() == nil {
			e.emit(history.Event{At: e.clock.Now(), Kind: history.EventGateFailed, Detail: "the fault schedule failed: " + err.Error()})
		}
	})
	workers.Wait()
	sleepUntil(ctx, e.clock, s.stop)
	scheduled.Wait()
	return func() {
		stopPolling()
		pollers.Wait()
	}
}

// settle waits until the healed cluster is healthy, at most plan.Settle.
func (e *execution) settle(ctx context.Context) bool {
	e.phase("settle", e.clock.Now())
	bounded, cancel := context.WithTimeout(ctx, e.plan.Settle)
	defer cancel()
	tick := time.NewTicker(settleEvery)
	defer tick.Stop()
	missing := "not asked yet"
	for {
		if m := healthy(bounded, e.system, e.nodes); m == "" {
			return true
		} else if bounded.Err() == nil {
			missing = m
		}
		select {
		case <-bounded.Done():
			if ctx.Err() == nil {
				e.emit(history.Event{At: e.clock.Now(), Kind: history.EventGateFailed,
					Detail: fmt.Sprintf("the cluster did not settle in %s: %s", e.plan.Settle, missing)})
			}
			return false
		case <-tick.C:
		}
	}
}

// phase marks the begin of a phase of the run.
func (e *execution) phase(name string, at int64) {
	e.report.phase.Store(&name)
	e.emit(history.Event{At: at, Kind: history.EventPhase, Detail: name})
}

// emit writes an event to the run's record and to the log.
func (e *execution) emit(event history.Event) {
	if e.report != nil {
		e.report.event(event)
	}
	if err := e.events.Append(event); err != nil {
		e.log.Error("an event could not be recorded", "err", err)
	}
	level := slog.LevelDebug
	if event.Kind == history.EventGateFailed || event.Kind == history.EventExit && event.Failed {
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{slog.String("at", time.Duration(event.At).Round(time.Millisecond).String())}
	text := func(key, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(key, value))
		}
	}
	text("fault", event.Fault)
	text("name", event.Name)
	text("node", event.Node)
	text("nodes", strings.Join(event.Nodes, " "))
	text("detail", event.Detail)
	e.log.LogAttrs(context.Background(), level, string(event.Kind), attrs...)
}

// sleepUntil sleeps until the clock reads t; false when ctx ended first.
func sleepUntil(ctx context.Context, clock history.Clock, t int64) bool {
	timer := time.NewTimer(time.Duration(t - clock.Now()))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// outOfSpace adds the remedy to an error of a full disk.
func outOfSpace(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w; free space there, or choose another folder for runs (--out)", err)
	}
	return err
}

// infrastructure wraps an error of a launch step.
func infrastructure(step string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, ErrInput) || errors.Is(err, ErrInfrastructure) {
		return err
	}
	return fmt.Errorf("%w: %s: %w", ErrInfrastructure, step, err)
}
