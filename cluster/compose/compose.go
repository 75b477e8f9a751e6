// Package compose attaches to containers that somebody else runs on this machine's
// Docker engine: services of a compose file, or containers by their names.
//
// Beside each of them comes a guest: a container of ours in the network and PID
// namespace of the other, whose agent blocks, pauses and crashes. Kill, stop and
// start are the engine's. A container that starts again has a new network and new
// processes, and often another address; the engine's events tell it, and a new guest
// is brought, if rules are in force before the server goes on (meet.go).
package compose

import (
	"context"
	"fmt"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/docker"
)

// Target says which containers are meant: services of a compose project, or
// Containers.
type Target struct {
	File     string   // the compose file; names the project if Project does not
	Project  string   // as given to compose with -p
	Services []string // of the project, in the nodes' order
	// Containers are names or ids, in place of all above. A name is looked up anew
	// when its container is made anew, an id is not.
	Containers []string
}

// New returns the place. It does nothing yet.
func New(t Target) cluster.Place { return place{t} }

type place struct{ target Target }

// Name is "compose".
func (p place) Name() string { return "compose" }

// findTimeout bounds looking a deployment up.
const findTimeout = 20 * time.Second

// Find implements cluster.Place. Without an engine whose containers can be reached
// its error wraps cluster.ErrUnavailable.
func (p place) Find(ctx context.Context, spec cluster.AttachSpec) (cluster.Deployment, error) {
	ctx, cancel := context.WithTimeout(ctx, findTimeout)
	defer cancel()
	made, err := docker.NewGuests(ctx, spec)
	if err != nil {
		return nil, err
	}
	since := time.Now()
	found, name, err := p.target.find(ctx, made.API())
	if err != nil {
		made.Close()
		return nil, fmt.Errorf("compose: %w", err)
	}
	return newDeployment(ctx, made, spec, name, found, since), nil
}

// The labels by which compose knows its containers.
const (
	labelProject = "com.docker.compose.project"
	labelService = "com.docker.compose.service"
	labelNumber  = "com.docker.compose.container-number"
	labelOneOff  = "com.docker.compose.oneoff"
	labelFiles   = "com.docker.compose.project.config_files"
	labelDir     = "com.docker.compose.project.working_dir"
)

// outlive returns a context that keeps ctx's values, is not cancelled with it,
// and has its own bound.
func outlive(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), limit)
}
