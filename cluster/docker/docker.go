// Package docker is the host made of containers: each node is one container
// on a bridge network of its run, with the aftershock agent as its PID 1.
//
// Containers and networks are created through testcontainers-go. The Docker
// engine's own client does what testcontainers does not: looking at images,
// removing a whole launch at once, cleaning up after dead runs.
package docker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// Labels on everything that a launch makes.
const (
	labelRun    = "aftershock.run"    // the run's id
	labelLaunch = "aftershock.launch" // random, tells two launches of one run id apart
	labelNode   = "aftershock.node"   // the node's name; on containers
	labelLock   = "aftershock.lock"   // path of the file that the living harness holds locked
	labelBoot   = "aftershock.boot"   // boot id of the harness's machine
	labelOwner  = "aftershock.owner"  // the harness, as owner.Mark tells it
	labelVictim = "aftershock.victim" // of guests and what they leave word by: the container beside which they are
	labelImage  = "aftershock.image"  // "1" on the images that this package builds
)

// Bounds of the calls to the engine. Each is far above what a working engine
// needs; they exist so that a broken one never blocks the harness for ever.
const (
	pingTimeout   = 2 * time.Second  // does an engine answer at all
	callTimeout   = 30 * time.Second // one ordinary call
	buildTimeout  = 2 * time.Minute  // building the node image
	pullTimeout   = 5 * time.Minute  // pulling an image
	dialTimeout   = 10 * time.Second // until an agent answers
	removeTimeout = 30 * time.Second // removing a whole launch
)

// maxNodes bounds a cluster: a run's network is a /24.
const maxNodes = 200

// host is the cluster.Host made of containers.
type host struct {
	log    *slog.Logger
	hashes *hashCache
}

// New returns the docker host. It does nothing yet: Available tells whether an
// engine answers. A nil logger is slog.Default.
func New(logger *slog.Logger) cluster.Host {
	if logger == nil {
		logger = slog.Default()
	}
	return &host{log: logger, hashes: newHashCache()}
}

// Name is "docker".
func (h *host) Name() string { return "docker" }

// Launch implements cluster.Host. Without a working engine its error wraps
// cluster.ErrUnavailable; an image that is neither in the engine nor can be
// pulled wraps cluster.ErrImage.
func (h *host) Launch(ctx context.Context, spec cluster.Spec) (cluster.Cluster, error) {
	if err := checkSpec(spec); err != nil {
		return nil, fmt.Errorf("docker: %w", err)
	}
	log := spec.Logger
	if log == nil {
		log = h.log
	}
	eng, err := connect(ctx, log)
	if err != nil {
		return nil, err
	}
	l, err := newLaunch(eng, h.hashes, spec)
	if err != nil {
		eng.close()
		return nil, fmt.Errorf("docker: launch run %s: %w", spec.Run, err)
	}
	c, err := l.run(ctx)
	if err == nil {
		return c, nil
	}
	cleanup, cancel := outlive(ctx, removeTimeout)
	defer cancel()
	if closeErr := l.cluster.Close(cleanup); closeErr != nil {
		err = errors.Join(err, fmt.Errorf("removing what was launched: %w", closeErr))
	}
	return nil, fmt.Errorf("docker: launch run %s: %w", spec.Run, err)
}

// nameOK is what the engine accepts in a container's name and what is also a
// valid host name.
var nameOK = regexp.MustCompile(`^[a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?$`)

// runOK is what the engine accepts in names and labels alike.
var runOK = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}$`)

func checkSpec(spec cluster.Spec) error {
	if err := checkOwner(spec.Run, spec.Launch, spec.LockFile); err != nil {
		return err
	}
	if n := len(spec.Nodes); n == 0 || n > maxNodes {
		return fmt.Errorf("%d nodes: a cluster on docker has 1 to %d", n, maxNodes)
	}
	seen := make(map[string]bool, len(spec.Nodes))
	for _, n := range spec.Nodes {
		if !nameOK.MatchString(n.Name) {
			return fmt.Errorf("node name %q is no valid host name", n.Name)
		}
		if seen[n.Name] {
			return fmt.Errorf("two nodes are named %q", n.Name)
		}
		seen[n.Name] = true
		if err := checkOthers(n, spec.Needs); err != nil {
			return err
		}
	}
	if spec.Lease < 0 {
		return fmt.Errorf("lease %s is negative", spec.Lease)
	}
	return checkBinary(spec.Binary)
}

// checkOwner looks at what says whose the things of a launch are.
func checkOwner(run, launch, lockFile string) error {
	if !runOK.MatchString(run) {
		return fmt.Errorf("run id %q: use letters, digits, '_', '.' and '-', at most 128", run)
	}
	if launch != "" && !launchOK.MatchString(launch) {
		return fmt.Errorf("launch id %q: make it with crypto/rand.Text", launch)
	}
	if filepath.Base(filepath.Dir(lockFile)) != run {
		return fmt.Errorf("lock file %q is not in a folder that is called %s, after the run", lockFile, run)
	}
	return nil
}

func checkBinary(path string) error {
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("the aftershock binary for the nodes: %w", err)
	}
	return checkStatic(path)
}

// outlive returns a context that keeps ctx's values, is not cancelled with it,
// and has its own bound.
func outlive(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), limit)
}
