package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/kubernetes"
	"github.com/aftershock-chaos/aftershock/cluster/ssh"
	"github.com/aftershock-chaos/aftershock/harness/attach"
	"github.com/aftershock-chaos/aftershock/harness/attached"
	"github.com/aftershock-chaos/aftershock/harness/drivers"
	"github.com/aftershock-chaos/aftershock/harness/load"
	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/internal/lastwords"
	"github.com/aftershock-chaos/aftershock/results/rundir"
)

// DriveCommand is the hidden command of the aftershock binary that is a driver, and
// SessionFlag its flag for one to which the harness comes over a session of ssh's.
const (
	DriveCommand = drivers.Command
	SessionFlag  = ssh.SessionFlag
)

// Drive is what the hidden command DriveCommand does.
func Drive(ctx context.Context) error {
	if err := drivers.Serve(ctx, Words()); err != nil {
		return fmt.Errorf("%w: %w", failure.ErrInfrastructure, err)
	}
	return nil
}

// DriveOnHost is Drive where the harness comes over the standard input and output, in a
// folder on a machine of somebody else's that is removed in the end.
func DriveOnHost(ctx context.Context, stdin io.ReadCloser, stdout io.WriteCloser) error {
	err := ssh.Serve(ctx, stdin, stdout, func(ctx context.Context, l net.Listener) error { return drivers.ServeOn(ctx, l, Words()) })
	if err != nil {
		return fmt.Errorf("%w: %w", failure.ErrInfrastructure, err)
	}
	return nil
}

// driversDir is the folder of a run in which the drivers' histories are until they are
// one with the harness's.
const driversDir = "drivers"

// testClocks is the environment variable by which tests have the drivers' clocks go
// wrong: a JSON object of history.Wrong by the drivers' names.
const testClocks = "AFTERSHOCK_TEST_CLOCKS"

// wrongClocks are those of the environment variable.
func wrongClocks() (wrong map[string]history.Wrong, err error) {
	if text := os.Getenv(testClocks); text != "" {
		if err := json.Unmarshal([]byte(text), &wrong); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", failure.ErrInput, testClocks, err)
		}
	}
	return wrong, nil
}

// hire launches the drivers of a deployment that somebody else runs, if there are any.
func (d *deployment) hire(ctx context.Context, r *request, rec *record) (err error) {
	if !r.plan.Drivers.Asked() {
		return nil
	}
	place := r.plan.Drivers.Place(r.plan.Target.Attach)
	spec := cluster.Spec{Run: rec.dir.Name(), Launch: r.launch, Logger: rec.log, LockFile: rec.lock.Name(), AgentImage: r.options.agentImage()}
	if spec.Binary, err = findBinary(ctx, r.options, attached.Environ(r.plan)); err != nil {
		return err
	}
	for _, name := range r.plan.Drivers.Names() {
		spec.Nodes = append(spec.Nodes, cluster.NodeSpec{Name: name, Bare: true})
	}
	crew, err := driversHost(r.plan, r.options.Logger).Launch(ctx, spec)
	if err != nil {
		return failure.Infrastructure("launch the drivers ("+place+")", err)
	}
	d.crew, d.drivers = crew, crew.Nodes()
	return nil
}

// driversHost launches drivers of a deployment that somebody else runs.
func driversHost(p *plan.Plan, log *slog.Logger) cluster.Host {
	if s := p.Drivers.SSH; p.Drivers.Place(p.Target.Attach) == attach.OnHosts {
		return ssh.NewHost(ssh.Target{Hosts: s.Hosts, User: s.User, Port: s.Port, Config: s.Config})
	}
	return kubernetes.New(log)
}

// dismiss removes the drivers that hire has launched.
func (d *deployment) dismiss(ctx context.Context) error {
	if d.crew == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, cleanupTimeout)
	defer cancel()
	if err := d.crew.Close(ctx); err != nil {
		return fmt.Errorf("%w: remove the drivers (`aftershock clean` tries again): %w", failure.ErrInfrastructure, err)
	}
	return nil
}

// startDrivers brings the drivers to work, if the plan has any.
func (e *execution) startDrivers(ctx context.Context, beside *actors) error {
	d := e.deployment
	if len(d.drivers) == 0 {
		return nil
	}
	dir := e.record.dir.File(driversDir)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return failure.Infrastructure("start the drivers", err)
	}
	crew := drivers.Crew{Nodes: d.drivers, Targets: d.nodes, Plan: e.plan, Workloads: e.workloads, Run: e.record.dir.Name(), Dir: dir, Clock: e.session.clock,
		Emit: e.record.emit, Tap: e.live.add, Log: e.record.log, Wrong: e.clocks}
	var err error
	if d.visit != nil {
		crew.Objects = attached.ObjectsOf(e.request.launch)
		if crew.Keys, err = attached.ReadKeys(e.plan); err != nil {
			return fmt.Errorf("%w: %w", failure.ErrInput, err)
		}
	}
	if e.fleet, err = drivers.Start(ctx, crew); err != nil {
		err = failure.Infrastructure("start the drivers", err)
		for _, n := range d.drivers {
			if said := lastwords.OfFile(e.record.dir.File(filepath.Join(rundir.NodesDir, n.Name, serverLog)), true); said != "" {
				err = fmt.Errorf("%w; %s says: %s", err, n.Name, said)
			}
		}
		return err
	}
	meta := drivers.MetaOf(e.record.dir.Name(), e.plan, e.workloads)
	e.record.join = func(path string) error { return e.fleet.Join(path, meta) }
	beside.start(actor{name: "what drivers know of roles", run: silent(func(ctx context.Context) {
		e.fleet.Believe(ctx, e.session.roles, e.session.roles.Changes.Load)
	})})
	return nil
}

// endDrivers has the drivers end and send what they still have, and tells what their
// clocks did. A second call does nothing.
func (e *execution) endDrivers(ctx context.Context) {
	if e.fleet == nil || e.drivenOut {
		return
	}
	e.drivenOut = true
	e.fleet.End(ctx)
	e.fleet.Tell(e.window)
}

// lead is how long before its begin the load is announced.
func (e *execution) lead() time.Duration {
	if e.fleet == nil {
		return 0
	}
	return drivers.Lead
}

// fill loads what is to be there before the load.
func (e *execution) fill(ctx context.Context, l *load.Load) error {
	if e.fleet == nil {
		return l.Fill(ctx)
	}
	began := e.now()
	records, err := e.fleet.Fill(ctx)
	if err != nil && ctx.Err() == nil {
		return failure.Infrastructure("load the records", err)
	}
	l.TellFilled(records, began, e.now())
	return nil
}

// drive has the load driven, by the drivers if there are any.
func (e *execution) drive(ctx context.Context, l *load.Load, w load.Window, pollers *actors) {
	if e.fleet == nil {
		l.Run(ctx, w, func(run func(context.Context)) { pollers.start(actor{name: "poller", run: silent(run)}) })
		return
	}
	telling, stop := context.WithCancel(ctx)
	told := make(chan struct{})
	go func() {
		defer close(told)
		l.TellPhases(telling, w)
	}()
	e.fleet.Drive(ctx, w)
	load.SleepUntil(ctx, l.Clock, w.Stop)
	stop()
	<-told
}

// clients are the addresses from which clients' packets come, the harness's first.
func (d *deployment) clients() []netip.Addr {
	all := []netip.Addr{d.cluster.HarnessAddr()}
	for _, n := range d.drivers {
		all = append(all, n.Addr)
	}
	return all
}
