package harness

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/aftershock-chaos/aftershock/checkers/register/stream"
	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/faults/engine"
	"github.com/aftershock-chaos/aftershock/harness/attached"
	"github.com/aftershock-chaos/aftershock/harness/drivers"
	"github.com/aftershock-chaos/aftershock/harness/livewatch"
	"github.com/aftershock-chaos/aftershock/harness/load"
	"github.com/aftershock-chaos/aftershock/harness/members"
	"github.com/aftershock-chaos/aftershock/harness/metrics"
	"github.com/aftershock-chaos/aftershock/harness/operator"
	"github.com/aftershock-chaos/aftershock/harness/preflight"
	"github.com/aftershock-chaos/aftershock/harness/roles"
	"github.com/aftershock-chaos/aftershock/harness/settle"
	"github.com/aftershock-chaos/aftershock/harness/upgrades"
	"github.com/aftershock-chaos/aftershock/harness/wan"
	"github.com/aftershock-chaos/aftershock/harness/watchdog"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/results/judge"
	"github.com/aftershock-chaos/aftershock/results/rundir"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/workloads"
)

// execution is one run under way. It knows the order of the phases; what
// happens in one is the matter of its owner:
//
//	prepare             record, configure
//	launch, form        deployment
//	warm-up, measure    load.Load, engine.Engine
//	heal                engine.Engine
//	settle              settle
//	final reads, drains load.Finals
//	tear down           deployment
//	judge               judgement.go
//
// What goes on beside the phases are actors: those of the background for the
// run's whole life, the pollers from the warm-up to the end of the final reads.
type execution struct {
	*request
	started    time.Time
	record     *record
	pace       *pace
	deployment *deployment
	workloads  []workloads.Workload
	live       live
	session    *session         // nil until the replica set is formed
	fleet      *drivers.Fleet   // nil: the harness drives the load itself
	drivenOut  bool             // it has ended
	window     load.Window      // of the load; zero before it
	executed   []faults.Planned // the schedule as it was put into effect
}

// live is what is made of the operations while they are recorded.
type live struct {
	counts  *liveCounts
	metrics *metrics.Tally   // nil: nobody asked for them
	watch   *livewatch.Watch // nil: no workload has registers, or drivers drive it
	adding  sync.Mutex
}

// add takes operations that were recorded.
func (l *live) add(ops []history.Op) {
	l.adding.Lock()
	defer l.adding.Unlock()
	l.counts.add(ops)
	l.metrics.Add(ops)
	l.watch.Add(ops)
}

// session is a run from the moment on that its replica set is formed, which is
// where its clock reads zero.
type session struct {
	clock    history.Clock
	watchdog *watchdog.Watchdog
	roles    *roles.Roles
	members  *members.Members // nil: all nodes, for ever
	progress *progressReporter
	engine   *engine.Engine
}

// execute makes a run on a host that works from this process.
func execute(ctx context.Context, r *request, host Host) (*judge.Result, error) {
	e := &execution{request: r, started: time.Now(), executed: r.schedule}
	if err := e.prepare(ctx, host); err != nil {
		return nil, err
	}
	runErr := e.run(ctx)
	if ctx.Err() != nil {
		runErr = fmt.Errorf("%w after %s", failure.ErrInterrupted, time.Since(e.started).Round(time.Millisecond))
		e.gateFailed("the run was interrupted: let it end, or have it end sooner (duration, settle)")
	}
	return e.finish(context.WithoutCancel(ctx), runErr)
}

// prepare makes the run directory and everything that needs no node.
func (e *execution) prepare(ctx context.Context, host Host) (err error) {
	if e.deployment, err = configure(ctx, e.plan, e.request.launch, host); err != nil {
		return err
	}
	measured, need := []bool{}, preflight.Need{Nodes: len(e.plan.NodeNames())}
	for _, spec := range e.plan.Loads() {
		w, err := workloads.New(spec)
		if err != nil {
			return fmt.Errorf("%w: workload %s: %w", failure.ErrInput, spec.Name, err)
		}
		e.workloads = append(e.workloads, w)
		measured = append(measured, w.Measured(0))
		need.Clients += workloads.Connections(w, need.Nodes)
	}
	if err := preflight.Check(need, judge.AvailableMemory()); err != nil {
		return failure.Infrastructure("before the launch", err)
	}
	if e.record, err = openRecord(e.request, e.started); err != nil {
		return err
	}
	e.pace = &pace{plan: e.plan, run: e.record.dir.Name(), call: e.options.Progress, took: map[string]time.Duration{}, last: rundir.LastTook(filepath.Dir(e.record.dir.Path()), e.plan.Name, host.Name)}
	meta := drivers.MetaOf(e.record.dir.Name(), e.plan, e.workloads)
	e.live.counts = newLiveCounts(measured)
	if !e.plan.Drivers.Asked() { // what comes from several clocks is judged when they are known
		e.live.watch = livewatch.New(meta, e.plan.Timeouts)
	}
	if e.options.Metrics {
		e.live.metrics = metrics.NewTally(e.plan.Name, meta.Nodes)
	}
	return e.record.startHistory(meta, e.live.add)
}

// run takes the run through its phases up to the last drain. Whatever ends ctx,
// the faults are healed.
func (e *execution) run(ctx context.Context) error {
	life := context.WithoutCancel(ctx)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	background := newActors(life, e.record.log, cancel)
	defer background.stop()
	if err := e.launch(ctx, background); err != nil {
		return err
	}
	e.begin(background)
	distances, err := wan.Put(ctx, e.plan, e.deployment.nodes, e.deployment.clients(), e.session.clock, e.record.emit)
	if err != nil {
		return failure.Infrastructure("before the load", err)
	}
	e.askPermission()

	loadCtx, stopLoad := context.WithCancel(ctx)
	defer stopLoad()
	if e.live.watch != nil {
		background.start(actor{name: "register watch", run: silent(func(ctx context.Context) { e.live.watch.Run(ctx, e.session.clock, e.notLinearizable(stopLoad)) })})
	}
	pollers := newActors(loadCtx, e.record.log, cancel)
	defer pollers.stop()
	if err := e.startDrivers(ctx, pollers); err != nil {
		return err
	}
	defer e.endDrivers(life)
	if err := e.loadPhases(loadCtx, pollers); err != nil {
		return err
	}

	e.phase("heal", e.now())
	e.heal(life)
	e.phase("settle", e.now())
	if ctx.Err() == nil && e.settled(ctx) {
		e.session.roles.Renew(ctx) // who is primary has to be known of what is read now
		e.phase("final", e.now())
		finals := &load.Finals{Clients: e.clients(), Workloads: e.workloads, History: e.record.history, Serving: e.session.roles.Serving, Limit: e.plan.Settle}
		finals.ReadNodes(ctx)
		finals.DrainQueues(ctx)
	}
	e.endDrivers(life)
	distances.Lift(life)
	e.phase("end", e.now())
	return context.Cause(ctx)
}

// launch brings the system up, and keeps its output from the first line on.
func (e *execution) launch(ctx context.Context, background *actors) error {
	ctx, cancel := context.WithTimeout(ctx, launchTimeout)
	defer cancel()
	e.pace.tell(stepLaunch)
	if err := e.deployment.launch(ctx, e.request, e.record); err != nil {
		return err
	}
	background.start(nodeLogs(slices.Concat(e.deployment.nodes, e.deployment.drivers), e.record)...)
	e.pace.tell(stepForm)
	if err := e.deployment.form(ctx, e.record.dir); err != nil {
		return err
	}
	if err := e.record.dir.WriteMachine(e.deployment.lookAround(ctx)); err != nil { // as where the folder was moved: no reason to end
		e.record.log.Warn("the verdict will not tell what the run was made on", "err", failure.OutOfSpace(err))
	}
	attrs := []any{"host", e.deployment.host.Name, "nodes", len(e.deployment.nodes)}
	if e.deployment.version != "" {
		attrs = append(attrs, "version", e.deployment.version)
	}
	e.record.log.Info("cluster formed", append(attrs, "after", time.Since(e.started).Round(time.Millisecond).String())...)
	return nil
}

// begin starts the clock, and what goes on beside the phases from now on.
func (e *execution) begin(background *actors) {
	d, rec := e.deployment, e.record
	s := &session{clock: history.NewClock()}
	s.watchdog = watchdog.New(s.clock, d.nodes, cluster.DefaultLease, rec.emit)
	s.roles = roles.New(d.system, d.nodes, s.clock, rec.emit)
	s.members = e.book(s.clock)
	s.roles.Members = s.members.Has
	s.roles.Refresh(background.ctx)
	s.progress = &progressReporter{plan: e.plan, clock: s.clock, live: &e.live, roles: s.roles, call: e.options.Progress, news: &rec.news, pace: e.pace, schedule: e.schedule, hit: map[string][]string{}, begun: map[string]bool{}, lags: map[string]toldLag{}}
	s.engine = &engine.Engine{Attached: d.visit != nil, Nodes: d.nodes, Harness: d.cluster.HarnessAddr(), Clients: d.clients()[1:], Clock: s.clock, View: s.roles.View, Here: attached.Here(e.plan), Logger: rec.log,
		Emit: func(event history.Event) { s.progress.note(event); rec.emit(event) }}
	if s.members != nil {
		s.engine.Members = s.members
	}
	if d.versions != nil {
		of := d.upgradeable()
		of.Primary = s.roles.Primary
		s.engine.Upgrades = upgrades.New(of)
	}
	if tasked, ok := d.system.(targets.Tasked); ok {
		s.engine.Task = func(ctx context.Context, node int, task string) (string, error) {
			return tasked.Do(ctx, d.nodes, d.nodes[node], task)
		}
	}
	if beside, ok := d.cluster.(cluster.Neighbours); ok {
		s.engine.Lookup = beside.Lookup
	}
	e.session = s
	e.phase("form", s.clock.Now())
	background.start(
		actor{name: "history", run: rec.watchHistory, vital: true},
		actor{name: "watchdog", run: silent(s.watchdog.Run)},
		actor{name: "roles", run: silent(s.roles.Watch)},
		actor{name: "live line", run: silent(s.progress.report)},
		actor{name: "what the nodes take", run: newMeter(d, s.clock, rec).Run},
	)
	background.start(nodeExits(d.nodes, s.clock, rec)...)
	if d.visit != nil {
		background.start(actor{name: "what the place does", run: silent(func(ctx context.Context) { d.visit.Tell(ctx, s.clock, rec.emit) })},
			actor{name: "what stands beside the nodes", run: silent(func(ctx context.Context) { attached.Watch(ctx, e.plan, s.clock, rec.emit) })})
	}
	if o := operator.New(d.system, d.nodes, e.plan.Target.Failover, e.plan.Seed, s.clock, s.watchdog, rec.emit, rec.log); o != nil {
		o.Members = s.members.Has
		background.start(actor{name: "operator", run: silent(o.Run)})
	}
}

// askPermission leaves the faults out where nobody has allowed that the deployment
// is broken.
func (e *execution) askPermission() {
	v := e.deployment.visit
	if v == nil || len(e.schedule) == 0 || e.mayBreak(v.Called()) {
		return
	}
	e.gateFailed(fmt.Sprintf("the plan's faults were left out: nobody allowed that %s is broken: run it with --break %[1]s, or write allow: %[1]s into target.attach", v.Called()))
	e.schedule, e.executed = nil, nil
}

// notLinearizable takes the first contradiction that the watch finds.
func (e *execution) notLinearizable(stopLoad func()) func(stream.Violation) {
	return func(v stream.Violation) {
		detail := fmt.Sprintf("not linearizable: %s, %s", v.Workload, v.Text)
		stop := e.plan.StopOn == "violated"
		if stop {
			detail += "; the load ends here (stop_on: violated)"
		}
		e.record.emit(history.Event{At: e.now(), Kind: history.EventNote, Detail: detail})
		if stop {
			stopLoad()
		}
	}
}

// loadPhases are the warm-up and the measured phase: load and faults, side by side.
// The pollers go on behind them, so that the last markers can still be seen.
func (e *execution) loadPhases(ctx context.Context, pollers *actors) error {
	l := &load.Load{Clients: e.clients(), Workloads: e.workloads, History: e.record.history, Seed: e.plan.Seed, Emit: e.record.emit}
	e.session.progress.start.Store(e.now())
	e.phase("warmup", e.now())
	if err := e.fill(ctx, l); err != nil {
		return err
	}
	if err := e.age(ctx); err != nil {
		return err
	}
	w := load.NewWindow(e.now()+int64(e.lead()), e.plan)
	e.window = w
	e.session.progress.start.Store(w.Start)
	tell := func(event history.Event) error {
		e.session.progress.note(event)
		return e.record.events.Append(event)
	}
	if a := roles.NewLagAsker(e.deployment.system, e.deployment.nodes, e.session.clock, tell); a != nil {
		pollers.start(actor{name: "the system's own lag", run: a.Run})
	}
	var both sync.WaitGroup
	both.Go(func() { e.drive(ctx, l, w, pollers) })
	both.Go(func() { e.injectFaults(ctx, w) })
	both.Wait()
	return nil
}

// injectFaults executes the schedule from the begin of the measured phase on.
func (e *execution) injectFaults(ctx context.Context, w load.Window) {
	if !e.ageAgain(ctx, w) || !load.SleepUntil(ctx, e.session.clock, w.Measure) {
		return
	}
	e.phase("measure", w.Measure)
	e.session.engine.Base = w.Measure
	executed, err := e.session.engine.Run(ctx, e.schedule)
	if executed != nil {
		e.executed = executed
	}
	if err != nil && ctx.Err() == nil {
		e.gateFailed("the fault schedule failed: " + err.Error() + "; see harness.log in the run's folder, and make the run again")
	}
}

// heal ends every fault that is still in force.
func (e *execution) heal(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, cleanupTimeout)
	defer cancel()
	if err := e.session.engine.HealAll(ctx); err != nil {
		e.gateFailed("healing failed, so that a fault may have lasted: " + err.Error() + "; see harness.log in the run's folder, and make the run again")
	}
}

// settled waits until the healed cluster is healthy, at most plan.Settle. A
// cluster all nodes of which say that what holds the data is gone is settled
// enough to be read: that there is nothing is what the reads will be answered.
func (e *execution) settled(ctx context.Context) bool {
	nodes := e.session.members.Nodes(e.deployment.nodes)
	s := settle.Wait(ctx, e.deployment.system, nodes, e.session.clock, e.plan.Settle)
	if ctx.Err() != nil {
		return s.Missing == ""
	}
	event := history.Event{At: e.now(), Kind: history.EventSettled, Since: s.Since}
	if s.Missing != "" {
		event.Failed, event.Detail = true, s.Missing
		for i, said := range s.Said {
			if words := e.record.lastWords(nodes[i].Name); len(words) > 0 {
				said += ", and its log ends with: " + words[len(words)-1]
			}
			event.Log = append(event.Log, said)
		}
	}
	e.record.emit(event)
	if s.Missing != "" {
		e.gateFailed(fmt.Sprintf("the cluster did not settle in %s: %s; see what the nodes said in the run's folder nodes, or give it longer (settle)", e.plan.Settle, s.Missing))
	}
	return s.Missing == "" || s.Gone
}

func (e *execution) clients() load.Clients {
	r := e.session.roles
	return load.Clients{System: e.deployment.system, Doors: e.deployment.visit.Doors(e.plan), Nodes: e.deployment.nodes, Members: e.session.members, Clock: e.session.clock, Watchdog: e.session.watchdog, Primary: r.Primary, Changes: &r.Changes, Replica: r.Replica,
		Options: targets.ClientOptions{ConnectTimeout: e.plan.Timeouts.Connect, OpTimeout: e.plan.Timeouts.Operation, Values: load.Values(e.workloads, e.plan.Seed)}}
}

// phase marks the begin of a phase of the run.
func (e *execution) phase(name string, at int64) {
	e.session.progress.phase.Store(&name)
	e.pace.begin(name)
	e.record.emit(history.Event{At: at, Kind: history.EventPhase, Detail: name})
	if !loading(name) {
		e.record.sync() // what a power cut takes is then of the phases that follow
	}
}

// loading tells whether nothing may hold a phase up as it begins.
func loading(phase string) bool { return phase == "warmup" || phase == "measure" }

// gateFailed records why the run proves nothing.
func (e *execution) gateFailed(detail string) {
	e.record.emit(history.Event{At: e.now(), Kind: history.EventGateFailed, Detail: detail})
}

// now is the clock's reading. A launch that was interrupted has no clock yet:
// its only event tells how long it took.
func (e *execution) now() int64 {
	if e.session == nil {
		return int64(time.Since(e.started))
	}
	return e.session.clock.Now()
}
