package api

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Of a machine that takes no new pods for a run: the run's launch, and when its harness
// was last known to live. By these whoever comes later gives the machine back.
const (
	cordonLabel = "aftershock.dev/cordoned"
	cordonSeen  = "aftershock.dev/cordoned-at"
)

const (
	// CordonRenewal is how often a harness says that it still needs a machine cordoned,
	// and cordonDead how long after the last time nobody believes it any more.
	CordonRenewal = 10 * time.Second
	cordonDead    = time.Minute
	cordonTries   = 5 // where others change the machine at the same time
)

// CordonRights are what cordons need. Machines are the cluster's, not a namespace's.
var CordonRights = []Right{{Resource: "nodes", Verbs: []string{"get", "list", "patch"}, Cluster: true}}

// Cordon has a machine take no new pods, in the name of a launch, until Uncordon. False:
// it took none already, which is somebody else's matter.
func (a *API) Cordon(ctx context.Context, machine, launch string) (changed bool, err error) {
	return a.changeMachine(ctx, machine, func(n *corev1.Node) (any, map[string]any) {
		if n.Spec.Unschedulable {
			return nil, nil
		}
		return true, map[string]any{"labels": map[string]any{cordonLabel: launch}, "annotations": map[string]any{cordonSeen: now()}}
	})
}

// RenewCordon says that a machine is still needed as it is.
func (a *API) RenewCordon(ctx context.Context, machine string) error {
	_, err := a.Nodes.Patch(ctx, machine, map[string]any{"metadata": map[string]any{"annotations": map[string]any{cordonSeen: now()}}})
	return err
}

// Uncordon undoes what Cordon did in the name of the launch. False: there is nothing to undo.
func (a *API) Uncordon(ctx context.Context, machine, launch string) (changed bool, err error) {
	changed, err = a.changeMachine(ctx, machine, func(n *corev1.Node) (any, map[string]any) {
		if n.Labels[cordonLabel] != launch {
			return nil, nil
		}
		return nil, map[string]any{"labels": map[string]any{cordonLabel: nil}, "annotations": map[string]any{cordonSeen: nil}}
	})
	if apierrors.IsNotFound(err) {
		return false, nil // the machine is gone, and the mark with it
	}
	return changed, err
}

// changeMachine changes whether a machine takes pods, and its metadata, if it is still as
// it was looked at. Metadata nil: nothing is changed.
func (a *API) changeMachine(ctx context.Context, machine string, how func(*corev1.Node) (unschedulable any, metadata map[string]any)) (changed bool, err error) {
	for try := 1; ; try++ {
		n, err := a.Nodes.Get(ctx, machine)
		if err != nil {
			return false, err
		}
		unschedulable, metadata := how(n)
		if metadata == nil {
			return false, nil
		}
		metadata["resourceVersion"] = n.ResourceVersion
		_, err = a.Nodes.Patch(ctx, machine, map[string]any{"metadata": metadata, "spec": map[string]any{"unschedulable": unschedulable}})
		if !apierrors.IsConflict(err) || try == cordonTries {
			return err == nil, err
		}
	}
}

// UncordonOf gives back the machines that a launch has cordoned, and tells which.
func (a *API) UncordonOf(ctx context.Context, launch string) (machines []string, err error) {
	return a.uncordonAll(ctx, cordonLabel+"="+launch, func(*corev1.Node) bool { return true })
}

// UncordonDead gives back the machines that were cordoned by harnesses of which nothing
// was heard for a while, and tells which. Who may not look at machines has none.
func (a *API) UncordonDead(ctx context.Context) (machines []string, err error) {
	machines, err = a.uncordonAll(ctx, cordonLabel, func(n *corev1.Node) bool {
		seen, err := time.Parse(time.RFC3339, n.Annotations[cordonSeen])
		return err != nil || time.Since(seen) > cordonDead
	})
	if apierrors.IsForbidden(err) {
		return nil, nil
	}
	return machines, err
}

func (a *API) uncordonAll(ctx context.Context, selector string, dead func(*corev1.Node) bool) (machines []string, err error) {
	var all corev1.NodeList
	if err := a.Nodes.List(ctx, selector, &all); err != nil {
		return nil, fmt.Errorf("look for machines that are cordoned: %w", err)
	}
	for i := range all.Items {
		n := &all.Items[i]
		if !dead(n) {
			continue
		}
		changed, err := a.Uncordon(ctx, n.Name, n.Labels[cordonLabel])
		if err != nil {
			return machines, fmt.Errorf("uncordon %s: %w", n.Name, err)
		}
		if changed {
			machines = append(machines, "cordon of "+n.Name)
		}
	}
	return machines, nil
}

func now() string { return time.Now().UTC().Format(time.RFC3339) }
