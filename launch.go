package aftershock

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/docker"
	"github.com/aftershock-chaos/aftershock/cluster/local"
	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/workloads"
)

// lockName is the file in a run directory that a living harness holds locked.
const lockName = ".lock"

// prepare makes the run directory and everything that needs no node.
func (e *execution) prepare() (err error) {
	if e.dir, err = results.Create(e.options.RunsDir, e.plan.Name, e.plan.Seed, e.started); err != nil {
		return infrastructure("make the run directory", err)
	}
	defer func() {
		if err != nil {
			e.discard()
		}
	}()
	if e.lock, err = lockFile(filepath.Join(e.dir.Path(), lockName)); err != nil {
		return infrastructure("lock the run directory", err)
	}
	if e.logFile, err = os.Create(filepath.Join(e.dir.Path(), "harness.log")); err != nil {
		return infrastructure("open the harness's log", err)
	}
	file := slog.NewTextHandler(e.logFile, &slog.HandlerOptions{Level: slog.LevelDebug})
	e.log = slog.New(slog.NewMultiHandler(e.log.Handler(), file))
	if err = e.savePlan(); err != nil {
		return err
	}
	known, ok := target(e.plan.Target.Name)
	if !ok {
		return fmt.Errorf("%w: unknown target %q", ErrInput, e.plan.Target.Name)
	}
	e.target = known.Info()
	e.system, err = known.Configure(targets.Config{Replicas: e.plan.Target.Replicas, Options: e.plan.Target.Options, Seed: e.plan.Seed})
	if err != nil {
		return fmt.Errorf("%w: target %s: %w", ErrInput, e.plan.Target.Name, err)
	}
	for _, spec := range e.plan.Workloads {
		w, err := workloads.New(spec)
		if err != nil {
			return fmt.Errorf("%w: workload %s: %w", ErrInput, spec.Name, err)
		}
		e.loads = append(e.loads, w)
	}
	return e.openHistory()
}

// savePlan writes the effective plan and the planned schedule.
func (e *execution) savePlan() error {
	text, err := e.plan.YAML()
	if err != nil {
		return infrastructure("encode the plan", err)
	}
	if err := e.dir.WritePlan(text); err != nil {
		return infrastructure("save the plan", err)
	}
	e.schedule = e.options.Replay
	if e.schedule == nil {
		e.schedule = faults.Schedule(e.plan.Faults, e.plan.Duration, e.plan.Seed)
	}
	return infrastructure("save the schedule", e.dir.WriteSchedule(e.schedule))
}

func (e *execution) openHistory() error {
	nodes := 1 + e.plan.Target.Replicas
	meta := history.Meta{Run: e.dir.Name()}
	for i := range nodes {
		meta.Nodes = append(meta.Nodes, nodeName(i))
	}
	measured := make([]bool, len(e.loads))
	for i, w := range e.loads {
		spec := w.Spec()
		measured[i] = w.Measured(0)
		meta.Workloads = append(meta.Workloads, history.WorkloadMeta{Name: spec.Name, Type: spec.Type,
			Keys: spec.Keys, Workers: w.Workers(nodes)})
	}
	e.tally = newTally(measured)
	var err error
	if e.events, err = history.CreateEventLog(filepath.Join(e.dir.Path(), history.EventsFileName)); err != nil {
		return infrastructure("open the event log", err)
	}
	e.watch = newWatcher(meta, e.plan.Timeouts)
	e.recorder, err = history.NewRecorder(filepath.Join(e.dir.Path(), history.FileName), meta, func(ops []history.Op) {
		e.tally.add(ops)
		e.watch.add(ops)
	})
	return infrastructure("start recording", outOfSpace(err))
}

// launch starts the nodes and forms the replica set.
func (e *execution) launch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, launchTimeout)
	defer cancel()
	e.cleanDeadRuns(ctx)
	spec := cluster.Spec{Run: e.dir.Name(), Binary: e.options.Binary, Logger: e.log, LockFile: e.lock.Name()}
	var err error
	if e.madeOf, err = e.image(ctx); err != nil {
		return infrastructure("choose the image", err)
	}
	for i := range 1 + e.plan.Target.Replicas {
		spec.Nodes = append(spec.Nodes, cluster.NodeSpec{Name: nodeName(i), Image: e.madeOf})
	}
	if e.cluster, err = e.host.Launch(ctx, spec); err != nil {
		return infrastructure("launch the nodes on host "+e.host.Name(), err)
	}
	e.nodes = e.cluster.Nodes()
	for _, n := range e.nodes {
		e.background.Go(func() { e.keepOutput(e.life, n) })
	}
	starting, startCtx := errgroup.WithContext(ctx)
	for i, n := range e.nodes {
		starting.Go(func() error {
			if err := n.Start(startCtx, e.system.Server(e.nodes, i)); err != nil {
				return fmt.Errorf("start the server of %s: %w", n.Name, err)
			}
			return nil
		})
	}
	if err := starting.Wait(); err != nil {
		return infrastructure("start the target", err)
	}
	if err := e.system.Form(ctx, e.nodes); err != nil {
		return infrastructure("form the replica set", err)
	}
	e.log.Info("cluster formed", "host", e.host.Name(), "nodes", len(e.nodes), "after", time.Since(e.started).Round(time.Millisecond).String())
	return nil
}

// cleanDeadRuns removes what runs whose harness died have left on this host.
func (e *execution) cleanDeadRuns(ctx context.Context) {
	var removed []string
	var err error
	if e.host.Name() == "docker" {
		removed, err = docker.Clean(ctx)
	} else {
		removed = local.Clean(ctx)
	}
	if len(removed) > 0 {
		e.log.Info("removed what dead runs had left", "things", removed)
	}
	if err != nil {
		e.log.Warn("cleaning up after dead runs failed; `aftershock clean` tries again", "err", err)
	}
}

// startBackground starts what runs beside the load: the watch over the nodes'
// exits, the clients' view of roles, the operator and the live line.
func (e *execution) startBackground() {
	ctx := e.life
	e.clock = history.NewClock() // a reader of the record counts from here, not from the launch
	e.roles = newRoles(e.system, e.nodes, e.clock, e.emit)
	e.roles.refresh(ctx)
	e.report = &reporter{plan: e.plan, clock: e.clock, tally: e.tally, roles: e.roles, watch: e.watch, call: e.options.Progress}
	e.phase("form", e.clock.Now())
	e.engine = &faults.Engine{Nodes: e.nodes, Harness: e.cluster.HarnessAddr(), Clock: e.clock, View: e.roles.view,
		Emit: e.emit, Logger: e.log}
	for _, n := range e.nodes {
		e.background.Go(func() { e.keepExits(ctx, n) })
	}
	e.background.Go(func() { e.roles.watch(ctx) })
	if e.plan.Target.Failover.Choose != "none" {
		if o := newOperator(e.system, e.nodes, e.plan.Target.Failover, e.plan.Seed, e.clock, e.emit, e.log); o != nil {
			e.background.Go(func() { o.run(ctx) })
		}
	}
	e.background.Go(func() { e.report.run(ctx) })
}

// keepOutput copies a server's output into the run directory.
func (e *execution) keepOutput(ctx context.Context, n *cluster.Node) {
	dir, err := e.dir.NodeDir(n.Name)
	if err != nil {
		e.log.Warn("the server's output is not kept", "node", n.Name, "err", err)
		return
	}
	file, err := os.Create(filepath.Join(dir, "server.log"))
	if err != nil {
		e.log.Warn("the server's output is not kept", "node", n.Name, "err", err)
		return
	}
	defer file.Close()
	if err := n.CopyOutput(ctx, file); err != nil && ctx.Err() == nil {
		e.log.Warn("the server's output ended early", "node", n.Name, "err", err)
	}
}

// keepExits records every end of a server process.
func (e *execution) keepExits(ctx context.Context, n *cluster.Node) {
	for {
		select {
		case <-ctx.Done():
			return
		case exit, ok := <-n.Exits():
			if !ok {
				if ctx.Err() == nil {
					e.emit(history.Event{At: e.clock.Now(), Kind: history.EventGateFailed, Node: n.Name,
						Detail: "the control channel to " + n.Name + " was lost"})
				}
				return
			}
			detail := fmt.Sprintf("exit code %d", exit.Code)
			if exit.Signal != "" {
				detail = "signal: " + exit.Signal
			}
			if !exit.Planned {
				detail += ", not by a fault of the plan"
			}
			e.emit(history.Event{At: e.clock.At(exit.At), Kind: history.EventExit, Node: n.Name, Failed: !exit.Planned, Detail: detail})
		}
	}
}

func nodeName(i int) string { return fmt.Sprintf("n%d", i+1) }

// lockFile creates a file and locks it for as long as this process has it open.
func lockFile(path string) (*os.File, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		file.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return file, nil
}
