package harness

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/addresses"
	"github.com/aftershock-chaos/aftershock/cluster/docker"
	"github.com/aftershock-chaos/aftershock/cluster/kubernetes"
	"github.com/aftershock-chaos/aftershock/cluster/local"
	"github.com/aftershock-chaos/aftershock/cluster/pods"
	"github.com/aftershock-chaos/aftershock/cluster/reaper"
	"github.com/aftershock-chaos/aftershock/cluster/ssh"
	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/harness/attach"
	"github.com/aftershock-chaos/aftershock/harness/attached"
	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/internal/spelling"
	"github.com/aftershock-chaos/aftershock/results/judge"
	"github.com/aftershock-chaos/aftershock/targets"
	alltargets "github.com/aftershock-chaos/aftershock/targets/all"
)

// Host is a row of the table of hosts: a place where nodes can live. Another
// host is a package below cluster and a row here; the plan language, doctor,
// clean and the choice of `auto` follow the table.
type Host struct {
	Name string
	// Available says in a few words what was found; its error, what is missing.
	Available func(context.Context) (found string, err error)
	Remedy    string // what makes it available, for doctor
	Named     bool   // a plan has to name it: AutoHost never stands for it
	Tested    string // what of it the program's own tests have run on, for doctor; empty: it says nothing
	// Denied tells what this user may not do there of what runs need; nil: there are no rights to be had.
	Denied func(context.Context) ([]string, error)
	// Clean removes what runs whose harness died have left there. Where the host
	// is not available its error may wrap cluster.ErrUnavailable.
	Clean func(context.Context) (removed []string, err error)
	// CleanImages removes node images that nothing uses; nil: there are none.
	CleanImages func(context.Context) (removed []string, err error)
	// HasImage tells whether an image is there; nil: nodes are made of none.
	HasImage func(ctx context.Context, name string) (bool, error)

	// OtherImages: servers of a node can be started in the file systems of other images.
	OtherImages bool

	// digest tells exactly which image a name stands for; nil: nodes are made of none.
	digest   func(ctx context.Context, image string) (string, error)
	launcher func(*slog.Logger) cluster.Host
	// reap removes what a run whose harness has ended has left, and tells whether
	// there was anything; nil: nothing of ours is ever there.
	reap func(context.Context, reaper.Order) (found bool, err error)
	// reexecute hands the run to another process, which is where the launcher
	// works; nil: it works in this one.
	reexecute func(context.Context, *request) (*judge.Result, error)
}

// hostProbeTimeout bounds the wait for a host's answer.
const hostProbeTimeout = 2 * time.Second

// Hosts lists the hosts in the order in which AutoHost tries them.
func Hosts() []Host {
	return []Host{
		{
			Name: "docker", Available: dockerEngine,
			Tested: "Docker 20.10 and 26.1",
			Remedy: "start a Docker engine (20.10 or newer), or set DOCKER_HOST; plans run on the local host without it",
			Clean:  docker.Clean, CleanImages: docker.CleanImages, HasImage: docker.HasImage, OtherImages: true, digest: docker.ImageDigest, launcher: docker.New,
			reap: func(ctx context.Context, o reaper.Order) (bool, error) { return docker.Reap(ctx, o.Launch) },
		},
		{
			Name: "local", Available: func(ctx context.Context) (string, error) { return "Linux namespaces", local.Available(ctx) },
			Remedy:   "run as root, or allow unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1, or the AppArmor setting of the distribution)",
			Clean:    local.Clean,
			launcher: func(*slog.Logger) cluster.Host { return local.New() }, reexecute: runSandboxed,
			reap: func(_ context.Context, o reaper.Order) (bool, error) { return local.Reap(o.TempDir, o.Launch) },
		},
		{
			Name: "kubernetes", Available: kubernetes.Available, Named: true,
			Tested: "Kubernetes 1.34",
			Remedy: "set KUBECONFIG for a cluster whose pods this machine reaches; nothing else needs one",
			Denied: kubernetes.Denied,
			Clean:  kubernetes.Clean, HasImage: kubernetes.HasImage, launcher: kubernetes.New,
			reap: func(ctx context.Context, o reaper.Order) (bool, error) { return kubernetes.Reap(ctx, o.Launch) },
		},
	}
}

// places are the rows of where deployments are that somebody else runs.
func places() []Host {
	return []Host{
		{Name: "compose", Available: dockerEngine, Clean: docker.Clean,
			reap: func(ctx context.Context, o reaper.Order) (bool, error) { return docker.Reap(ctx, o.Launch) }},
		// Guests in pods end with their lease, and the kernel ends their rules: machines are what stays.
		{Name: pods.PlaceName, Available: kubernetes.Available, Denied: pods.Denied, Clean: pods.Clean,
			reap: func(ctx context.Context, o reaper.Order) (bool, error) { return pods.Reap(ctx, o.Launch) }},
		// A guest on a host ends with the session that its harness held: there is nothing to reap.
		{Name: "ssh", Available: ssh.Available, Clean: func(context.Context) ([]string, error) { return nil, nil },
			reap: func(context.Context, reaper.Order) (bool, error) { return false, nil }},
		{Name: addresses.Place{}.Name(), Available: func(context.Context) (string, error) { return "servers that somebody else runs", nil },
			Clean: func(context.Context) ([]string, error) { return nil, nil }},
	}
}

// Role is the Kubernetes role that suffices for runs on that host, bound to a user.
func Role(user string) string { return kubernetes.Role(user) }

// RoleFor is the Kubernetes role that suffices for runs of plans that attach to one
// deployment: that of its pods' namespace, else Role.
func RoleFor(plans []*plan.Plan, user string) string {
	if attached.Place(plans[0]).Name() != pods.PlaceName {
		return Role(user)
	}
	here := ""
	if slices.ContainsFunc(plans, func(p *plan.Plan) bool { return p.Drivers.Asked() && p.Drivers.Place(p.Target.Attach) == attach.OnPods }) {
		here = "---\n" + Role(user) // drivers are pods of the user's own namespace
	}
	cordons := slices.ContainsFunc(plans, func(p *plan.Plan) bool { return faults.Asks(p.Faults, cluster.Uncordon) })
	return pods.RoleIn(plans[0].Target.Attach.Kubernetes.Namespace, user, cordons) + here
}

// hostOf is where a plan's nodes are.
func hostOf(ctx context.Context, p *plan.Plan, log *slog.Logger) (Host, error) {
	if !p.Target.Attach.Asked() {
		name := p.Host
		if name == plan.AutoHost && p.Drivers.On != "" {
			name = p.Drivers.On // they are beside the nodes
		}
		return chooseHost(ctx, name, log)
	}
	h, ok := FindHost(attached.Place(p).Name())
	if !ok {
		return Host{}, fmt.Errorf("%w: there is no place %q", failure.ErrInput, attached.Place(p).Name())
	}
	if _, err := h.probe(ctx); err != nil {
		return Host{}, fmt.Errorf("%w: %s: %w", failure.ErrInfrastructure, h.Name, err)
	}
	return h, nil
}

// HostNames are the words of a plan's host, AutoHost first.
func HostNames() []string {
	names := []string{plan.AutoHost}
	for _, h := range Hosts() {
		names = append(names, h.Name)
	}
	return names
}

// Words are what plans can name: the hosts of the table and the targets that
// are built in.
func Words() plan.Words { return plan.Words{Hosts: HostNames(), Targets: alltargets.Targets()} }

// FindHost is the host, or the place of deployments, of that name.
func FindHost(name string) (Host, bool) {
	for _, h := range append(Hosts(), places()...) {
		if h.Name == name {
			return h, true
		}
	}
	return Host{}, false
}

func dockerEngine(ctx context.Context) (string, error) {
	engine, err := docker.EngineInfo(ctx)
	return fmt.Sprintf("engine %s at %s", engine.Version, engine.Host), err
}

// chooseHost finds the host that a plan names. Of AutoHost it logs which one it
// stands for here, and why not those before it.
func chooseHost(ctx context.Context, name string, log *slog.Logger) (Host, error) {
	if name != plan.AutoHost {
		h, ok := FindHost(name)
		if !ok {
			return Host{}, fmt.Errorf("%w: host cannot be %q; %s", failure.ErrInput, name, spelling.DidYouMean(name, HostNames()))
		}
		if _, err := h.probe(ctx); err != nil {
			return Host{}, fmt.Errorf("%w: host %s: %w", failure.ErrInfrastructure, name, err)
		}
		return h, nil
	}
	var missing []error
	for _, h := range Hosts() {
		if h.Named {
			continue // somebody's cluster is not used unless somebody says so
		}
		found, err := h.probe(ctx)
		if err == nil {
			attrs := []any{"found", found}
			if len(missing) > 0 {
				attrs = append(attrs, "instead_of", errors.Join(missing...))
			}
			log.Info("host: "+h.Name, attrs...)
			return h, nil
		}
		missing = append(missing, fmt.Errorf("%s: %w", h.Name, err))
	}
	return Host{}, fmt.Errorf("%w: no host works here: %w; `aftershock doctor` tells more", failure.ErrInfrastructure, errors.Join(missing...))
}

func (h Host) probe(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, hostProbeTimeout)
	defer cancel()
	return h.Available(ctx)
}

// Clean removes from every host what runs whose harness died have left, with
// images also the node images that nothing uses. It returns what was removed,
// also when it fails half-way; a host that is not available has nothing to clean.
func Clean(ctx context.Context, images bool) (removed []string, err error) {
	for _, h := range Hosts() {
		steps := []func(context.Context) ([]string, error){h.Clean}
		if images && h.CleanImages != nil {
			steps = append(steps, h.CleanImages)
		}
		for _, step := range steps {
			more, stepErr := step(ctx)
			removed = append(removed, more...)
			if !errors.Is(stepErr, cluster.ErrUnavailable) {
				err = errors.Join(err, stepErr)
			}
		}
	}
	return removed, err
}

// targetOf is the target of a plan.
func targetOf(p *plan.Plan) (targets.Target, error) {
	if t, ok := p.System(); ok {
		return t, nil
	}
	return nil, fmt.Errorf("%w: target %q is not built in: where it is a test's own, run that test", failure.ErrInput, p.Target.Name)
}

// Look has a first look at the deployment that a plan attaches to, see attached.Look.
func Look(ctx context.Context, p *plan.Plan) (*attached.Report, error) {
	known, err := targetOf(p)
	if err != nil {
		return nil, err
	}
	r, err := attached.Look(ctx, p, known)
	return r, failure.Infrastructure("look at the deployment", err)
}

// CleanDeployment removes what runs have left in the deployment that a plan attaches
// to, see attached.Clean.
func CleanDeployment(ctx context.Context, p *plan.Plan) ([]string, error) {
	known, err := targetOf(p)
	if err != nil {
		return nil, err
	}
	return attached.Clean(ctx, p, known)
}
