package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/harness/attached"
	"github.com/aftershock-chaos/aftershock/harness/machine"
	"github.com/aftershock-chaos/aftershock/harness/members"
	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/internal/lastwords"
	"github.com/aftershock-chaos/aftershock/internal/version"
	"github.com/aftershock-chaos/aftershock/results"
	"github.com/aftershock-chaos/aftershock/results/rundir"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/kit"
)

const (
	// launchTimeout bounds everything up to the first operation.
	launchTimeout = 2 * time.Minute
	// cleanupTimeout bounds the healing and the tearing down of a run.
	cleanupTimeout = 30 * time.Second
	// versionTimeout bounds the question for a server's version.
	versionTimeout = 5 * time.Second
)

// deployment is the system under test on its nodes. It owns the phases launch,
// form and tear down.
type deployment struct {
	host   Host
	target targets.Info
	system targets.System
	visit  *attached.Visit // nil: the nodes are launched; without its nodes until then
	log    *slog.Logger

	image   string           // that the nodes are made of; empty: of none
	wanted  version.Version  // that has to run; none: any that the claims are about
	about   version.Range    // the claims'
	version string           // that the servers said they are, once they are formed
	said    string           // about it, in their own words
	machine *results.Machine // that it all runs on; nil until the replica set is formed
	cluster cluster.Cluster  // nil until the nodes are launched
	nodes   []*cluster.Node
	drivers []*cluster.Node // of the load; they are no nodes of the target's
	crew    cluster.Cluster // the drivers', where the nodes are somebody else's; nil: none
	spares  int             // the last so many nodes

	versions *versions // nil: all nodes have the same
}

// configure makes the target of a plan ready to be launched on a host, and
// chooses the version and what the nodes are made of.
func configure(ctx context.Context, p *plan.Plan, launch string, host Host) (*deployment, error) {
	known, err := targetOf(p)
	if err != nil {
		return nil, err
	}
	d := &deployment{host: host, target: known.Info(), spares: p.Target.Spares}
	if d.wanted, d.about, err = p.Versions(); err != nil {
		return nil, fmt.Errorf("%w: %w", failure.ErrInput, err)
	}
	if err := d.choose(ctx, p.Target.Image); err != nil {
		return nil, err
	}
	config := targets.Config{Replicas: p.Target.Replicas, Options: p.Target.Options, Version: d.wanted, Seed: p.Seed}
	if p.Target.Attach.Asked() {
		system, err := attached.System(p, known, config, attached.ObjectsOf(launch))
		d.system, d.visit = system, &attached.Visit{System: system}
		return d, err
	}
	if d.system, err = known.Configure(config); err != nil {
		return nil, fmt.Errorf("%w: target %s: %w", failure.ErrInput, p.Target.Name, err)
	}
	d.versions, err = d.chooseVersions(ctx, p, known, config)
	return d, err
}

// launch brings the nodes up, without their servers, or finds those of a deployment
// that somebody else runs.
func (d *deployment) launch(ctx context.Context, r *request, rec *record) error {
	d.log = rec.log
	d.cleanDeadRuns(ctx)
	if d.visit != nil {
		if err := d.find(ctx, r, rec); err != nil {
			return err
		}
		return d.hire(ctx, r, rec)
	}
	if d.image != "" {
		d.log.Info("image", "name", d.image)
	}
	spec := cluster.Spec{Run: rec.dir.Name(), Launch: r.launch, Binary: r.options.Binary, Logger: rec.log, LockFile: rec.lock.Name(),
		AgentImage: r.options.agentImage(),
		Limits:     cluster.Limits{Memory: int64(r.plan.Target.Memory), CPUs: r.plan.Target.CPUs}, Needs: r.plan.Needs()}
	spec.Needs.Shape = spec.Needs.Shape || len(r.plan.WAN) > 0
	for _, s := range d.target.Servers {
		if path, err := kit.Find(s); err == nil { // else the node tells what it does not find
			spec.Programs = append(spec.Programs, path)
		}
	}
	for i, name := range r.plan.NodeNames() {
		spec.Nodes = append(spec.Nodes, d.versions.node(cluster.NodeSpec{Name: name, Image: d.image}, i))
	}
	for _, name := range r.plan.Drivers.Names() {
		spec.Nodes = append(spec.Nodes, cluster.NodeSpec{Name: name, Bare: true})
	}
	var err error
	if d.cluster, err = d.host.launcher(r.options.Logger).Launch(ctx, spec); err != nil {
		if errors.Is(err, cluster.ErrImage) {
			err = d.otherImages(ctx, err)
		}
		return failure.Infrastructure("launch the nodes on host "+d.host.Name, err)
	}
	all := d.cluster.Nodes()
	d.nodes, d.drivers = all[:len(all)-r.plan.Drivers.Count], all[len(all)-r.plan.Drivers.Count:]
	asked := faults.Actions(r.schedule, false)
	if len(r.plan.WAN) > 0 {
		asked = append(asked, cluster.Shape)
	}
	return d.able(ctx, asked)
}

// able refuses actions that the nodes' agents cannot put into effect here.
func (d *deployment) able(ctx context.Context, asked []cluster.ActionKind) error {
	for _, kind := range asked {
		for _, n := range d.nodes {
			if able, ok := n.Control.(cluster.Able); ok {
				if err := able.Can(ctx, kind); err != nil {
					return failure.Infrastructure(fmt.Sprintf("prepare the faults: %s cannot do %s on host %s", n.Name, kind, d.host.Name), err)
				}
			}
		}
	}
	return nil
}

// find finds the nodes of a deployment, and brings guests to them if the run may
// and will break it.
func (d *deployment) find(ctx context.Context, r *request, rec *record) error {
	found, err := attached.Place(r.plan).Find(ctx, cluster.AttachSpec{Run: rec.dir.Name(), Launch: r.launch, Port: d.visit.System.Port(), Binary: r.options.Binary, LockFile: rec.lock.Name(), Logger: rec.log,
		AgentImage: r.options.agentImage()})
	if err != nil {
		return failure.Infrastructure("find the deployment", err)
	}
	d.visit.Deployment, d.cluster, d.nodes = found, found, found.Nodes()
	if err := attached.CheckNames(r.plan, found); err != nil {
		return fmt.Errorf("%w: %w", failure.ErrInput, err)
	}
	if len(r.schedule) == 0 || !r.mayBreak(found.Called()) {
		return nil
	}
	missing := d.visit.Missing(ctx, r.schedule)
	if missing == nil {
		if err := found.Invite(ctx); err != nil {
			return failure.Infrastructure("bring guests to the nodes", err)
		}
		missing = d.visit.Missing(ctx, r.schedule) // what a guest cannot do, only the guest knows
	}
	if missing != nil {
		return fmt.Errorf("%w: %w", failure.ErrInput, missing)
	}
	return nil
}

// mayBreak tells whether somebody has typed the deployment's name out.
func (r *request) mayBreak(called string) bool {
	a := r.plan.Target.Attach
	return a.Allows(r.options.Break, called) || a.Allows(a.Allow, called)
}

// cleanDeadRuns removes what runs whose harness died have left on this host.
func (d *deployment) cleanDeadRuns(ctx context.Context) {
	removed, err := d.host.Clean(ctx)
	if len(removed) > 0 {
		d.log.Info("removed what dead runs had left", "things", removed)
	}
	if err != nil {
		d.log.Warn("cleaning up after dead runs failed; `aftershock clean` tries again", "err", err)
	}
}

// The causes by which forming is given up.
var (
	errEnded = errors.New("its server ended while the cluster formed")
	errLost  = errors.New("the control channel was lost while the cluster formed")
)

// form starts the servers, makes them a replica set, and asks them which version
// they are. A server that ends meanwhile, though nobody asked it to, ends the
// forming at once; the error quotes what its log says. dir has the logs.
func (d *deployment) form(ctx context.Context, dir *rundir.Dir) error {
	watched, giveUp := context.WithCancelCause(ctx)
	var watchers sync.WaitGroup
	for _, n := range d.nodes {
		watchers.Go(func() { watchEnd(watched, n, giveUp) })
	}
	err := d.start(watched)
	giveUp(nil)
	watchers.Wait()
	if lost := new(nodeError); errors.As(context.Cause(watched), &lost) {
		err = failure.Infrastructure("form the replica set", lost)
	}
	if err != nil {
		return d.quoteLogs(err, dir)
	}
	return d.askVersion(ctx)
}

// nodeError is an error with the node that it is about.
type nodeError struct {
	node string
	err  error
}

func (e *nodeError) Error() string { return e.node + ": " + e.err.Error() }
func (e *nodeError) Unwrap() error { return e.err }

// watchEnd gives forming up when a node's server ends, unless the target itself
// stopped it to start it anew.
func watchEnd(ctx context.Context, n *cluster.Node, giveUp context.CancelCauseFunc) {
	for {
		select {
		case <-ctx.Done():
			return
		case exit, ok := <-n.Exits():
			switch {
			case !ok && ctx.Err() == nil:
				giveUp(&nodeError{n.Name, errLost})
			case ok && exit.Planned:
				continue
			case ok:
				giveUp(&nodeError{n.Name, fmt.Errorf("%w: %s", errEnded, exitWords(exit))})
			}
			return
		}
	}
}

// exitWords say how a server ended.
func exitWords(exit cluster.Exit) string {
	if exit.Signal != "" {
		return "signal: " + exit.Signal
	}
	return fmt.Sprintf("exit code %d", exit.Code)
}

// quoteLogs adds to an error of forming what the logs say: that of the node whose
// server ended, else of each that tells of an error.
func (d *deployment) quoteLogs(err error, dir *rundir.Dir) error {
	var about *nodeError
	ended := errors.As(err, &about)
	for _, n := range d.nodes {
		if ended && n.Name != about.node {
			continue
		}
		if said := lastwords.OfFile(dir.File(filepath.Join(rundir.NodesDir, n.Name, "server.log")), ended); said != "" {
			err = fmt.Errorf("%w; the log of %s says: %s", err, n.Name, said)
		}
	}
	return err
}

// start starts the servers and makes them a replica set.
func (d *deployment) start(ctx context.Context) error {
	starting, startCtx := errgroup.WithContext(ctx)
	for i, n := range d.launched() {
		starting.Go(func() error {
			if err := n.Start(startCtx, d.server(i)); err != nil {
				return fmt.Errorf("start the server of %s: %w", n.Name, err)
			}
			return nil
		})
	}
	if err := starting.Wait(); err != nil {
		return failure.Infrastructure("start the target", err)
	}
	what := "form the replica set"
	if d.visit != nil {
		what = "make the run's own objects in " + d.visit.Called()
	}
	err := d.system.Form(ctx, d.first())
	if errors.Is(err, targets.ErrVersion) {
		return fmt.Errorf("%w: target %s: %w", failure.ErrInput, d.target.Name, err)
	}
	if err != nil {
		return failure.Infrastructure(what, err)
	}
	if limiter, ok := d.cluster.(cluster.Limiter); ok {
		err = limiter.Limit(ctx)
	}
	return failure.Infrastructure("hold the nodes to their limits", err)
}

// launched are the nodes whose servers are ours to start.
func (d *deployment) launched() []*cluster.Node {
	if d.visit != nil {
		return nil
	}
	return d.first()
}

// book is that of who belongs to the cluster; nil where nothing changes that.
func (e *execution) book(clock history.Clock) *members.Members {
	if d := e.deployment; e.plan.ChangesMembers() {
		return members.New(d.system, d.nodes, len(d.first()), d.start, clock, e.record.emit)
	}
	return nil
}

// first are the nodes that belong to the cluster from the start.
func (d *deployment) first() []*cluster.Node { return d.nodes[:len(d.nodes)-d.spares] }

// lookAround finds out what all of it runs on.
func (d *deployment) lookAround(ctx context.Context) *results.Machine {
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	m := machine.Read()
	m.Server = d.said
	if found, err := d.host.probe(ctx); err == nil {
		m.Engine = d.host.Name + ": " + found
	}
	if d.image != "" && d.host.digest != nil {
		digest, err := d.host.digest(ctx, d.image)
		if err != nil {
			d.log.Warn("the image's digest is not known", "image", d.image, "err", err)
		}
		m.Image = digest
	}
	d.machine = &m
	return &m
}

// tearDown closes the system's connections and removes the nodes.
func (d *deployment) tearDown(ctx context.Context) error {
	return errors.Join(d.dismiss(ctx), d.takeDown(ctx))
}

func (d *deployment) takeDown(ctx context.Context) error {
	var left error
	if d.visit != nil && d.cluster != nil {
		left = d.visit.Leave(ctx)
	}
	if closer, ok := d.system.(io.Closer); ok {
		if err := closer.Close(); err != nil {
			d.log.Debug("closing the system's connections", "err", err)
		}
	}
	if left != nil {
		return fmt.Errorf("%w: leave the deployment: %w", failure.ErrInfrastructure, left)
	}
	if d.cluster == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, cleanupTimeout)
	defer cancel()
	if err := d.cluster.Close(ctx); err != nil {
		return fmt.Errorf("%w: tear down the cluster (`aftershock clean` tries again): %w", failure.ErrInfrastructure, err)
	}
	return nil
}
