// Package pods attaches to pods that somebody else runs in a Kubernetes cluster, with
// no more than the rights of a user of their namespace.
//
// Guests come into each pod as ephemeral containers. One lives as long as the pod and
// shares its network alone: it has the rules. A container that starts again keeps the
// pod's network, hence the rules, and ends all that shares its PID namespace, so that
// pauses and crashes are another guest's, one for each life of the server. The second is
// reached through the first, over the pod's own loopback, which no rule touches.
//
// What the cluster does by itself is seen by watching the pods: containers that start
// again, pods that are made anew and have another address (follow.go).
package pods

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/kubernetes/api"
)

// Target says which pods are meant: those of a StatefulSet, those that have labels, or
// those of names.
type Target struct {
	Namespace   string // empty: the configuration's own
	StatefulSet string
	Selector    string
	Pods        []string
	Replicas    int    // of StatefulSet and Selector
	Container   string // the server's; empty: the only one, or the pod's default
	Port        int    // the server's; 0: AttachSpec.Port
	// Names are the nodes' names; with a selector they are not the pods'.
	Names []string
}

// New returns the place. It does nothing yet.
func New(t Target) cluster.Place { return place{t} }

type place struct{ target Target }

// PlaceName is the place's name: kubernetes is that of the host.
const PlaceName = "pods"

// Name is "pods".
func (place) Name() string { return PlaceName }

// Bounds of what is asked of the cluster.
const (
	findTimeout = 20 * time.Second
	callTimeout = 15 * time.Second
)

// Find implements cluster.Place. Its errors wrap cluster.ErrUnavailable if no cluster is
// configured or it does not answer.
func (p place) Find(ctx context.Context, spec cluster.AttachSpec) (cluster.Deployment, error) {
	d, err := p.find(ctx, spec)
	if err != nil {
		return nil, fmt.Errorf("pods: %w", err)
	}
	return d, nil
}

func (p place) find(ctx context.Context, spec cluster.AttachSpec) (cluster.Deployment, error) {
	bounded, cancel := context.WithTimeout(ctx, findTimeout)
	defer cancel()
	a, err := api.Load(p.target.Namespace)
	if err != nil {
		return nil, err
	}
	selector, err := p.target.selector(bounded, a)
	if err != nil {
		return nil, err
	}
	tracker, err := a.Track(ctx, selector)
	if err != nil {
		return nil, unheard(err, a)
	}
	found, err := p.target.find(a, tracker.Pods())
	if err == nil {
		if p.target.Port != 0 {
			spec.Port = p.target.Port
		}
		err = reachable(bounded, found, spec.Port)
	}
	if err != nil {
		tracker.Stop()
		return nil, err
	}
	d, err := newDeployment(ctx, a, tracker, p.target, spec, found)
	if err != nil {
		tracker.Stop()
		return nil, err
	}
	return d, nil
}

// reachable refuses pods whose addresses nobody answers at from here: clients go there.
func reachable(ctx context.Context, found []seen, port int) error {
	var all errgroup.Group
	for _, s := range found {
		all.Go(func() error {
			if at := netip.AddrPortFrom(s.addr, uint16(port)).String(); !api.Reached(ctx, at) {
				return fmt.Errorf("%w: nobody answers at %s, the address of pod %s: this machine has no way to pods, or a policy is in it: run aftershock in a pod of the cluster, and see its NetworkPolicies",
					cluster.ErrUnavailable, at, s.pod.Name)
			}
			return nil
		})
	}
	return all.Wait()
}
