// Package attached makes of what a plan says of a deployment that somebody else
// runs what a run needs: the nodes, and the target's system on them.
package attached

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/addresses"
	"github.com/aftershock-chaos/aftershock/cluster/agent/service"
	"github.com/aftershock-chaos/aftershock/cluster/agent/victim"
	"github.com/aftershock-chaos/aftershock/cluster/compose"
	"github.com/aftershock-chaos/aftershock/cluster/pods"
	"github.com/aftershock-chaos/aftershock/cluster/ssh"
	"github.com/aftershock-chaos/aftershock/faults"
	"github.com/aftershock-chaos/aftershock/harness/attach"
	"github.com/aftershock-chaos/aftershock/harness/plan"
	"github.com/aftershock-chaos/aftershock/internal/failure"
	"github.com/aftershock-chaos/aftershock/targets"
)

// Prefix begins the names of everything that runs make in deployments of others.
const Prefix = "aftershock_"

// objectsLetters is how much of a launch's id is in the names of its objects.
const objectsLetters = 12

// ObjectsOf is what everything that a launch makes in a deployment is called or
// begins with.
func ObjectsOf(launch string) string {
	return Prefix + strings.ToLower(launch[:min(len(launch), objectsLetters)])
}

// Place is where the plan's deployment is.
func Place(p *plan.Plan) cluster.Place {
	a, names := p.Target.Attach, p.NodeNames()
	if h := a.SSH; len(h.Hosts) > 0 {
		return ssh.New(ssh.Target{Hosts: h.Hosts, User: h.User, Port: h.Port, Config: h.Config, Server: service.Spec{
			Server: victim.Server{Unit: h.Unit, Process: h.Process, Port: h.Listen}, Start: h.Start, Stop: h.Stop,
		}})
	}
	if k := a.Kubernetes; k.StatefulSet != "" || k.Selector != "" || len(k.Pods) > 0 {
		return pods.New(pods.Target{Namespace: k.Namespace, StatefulSet: k.StatefulSet, Selector: k.Selector, Pods: k.Pods,
			Replicas: k.Replicas, Container: k.Container, Port: k.Port, Names: names})
	}
	if len(a.Nodes) == 0 {
		return compose.New(compose.Target{File: a.Compose.File, Project: a.Compose.Project, Services: a.Compose.Services, Containers: a.Containers})
	}
	var list addresses.Place
	for i, text := range a.Nodes {
		host, port, _ := attach.SplitNode(text) // it was checked with the plan
		list.Nodes = append(list.Nodes, addresses.Address{Name: names[i], Host: host, Port: port})
	}
	return list
}

// System makes the target's system. It reads the password and the certificates.
// Errors wrap failure.ErrInput.
func System(p *plan.Plan, target targets.Target, config targets.Config, objects string) (targets.Attached, error) {
	keys, err := ReadKeys(p)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", failure.ErrInput, err)
	}
	return keys.System(p, target, config, objects)
}

// Visit is a deployment that a run has attached to.
type Visit struct {
	cluster.Deployment
	System targets.Attached
}

// Missing says why the schedule's actions cannot be done there; nil: they can.
func (v *Visit) Missing(ctx context.Context, schedule []faults.Planned) error {
	var errs []error
	for _, k := range faults.Actions(schedule, true) {
		errs = append(errs, v.Can(ctx, k))
	}
	return errors.Join(errs...)
}

// CheckNames refuses a deployment whose nodes are others than the plan has names for,
// as where a service has several containers.
func CheckNames(p *plan.Plan, d cluster.Deployment) error {
	var found []string
	for _, n := range d.Nodes() {
		found = append(found, n.Name)
	}
	if wanted := p.NodeNames(); !slices.Equal(found, wanted) {
		return fmt.Errorf("target.attach: the plan has the nodes %s, and there are %s: name each as containers", strings.Join(wanted, ", "), strings.Join(found, ", "))
	}
	return nil
}

// Leave removes the run's objects and has the guests go. The error says what is
// left, and the remedy.
func (v *Visit) Leave(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, leaveTimeout)
	defer cancel()
	err := v.System.Remove(bounded, v.Nodes())
	if err != nil {
		err = fmt.Errorf("remove the run's own objects (`aftershock clean --attach PLAN` tries again): %w", err)
	}
	return errors.Join(err, v.Close(ctx))
}

const leaveTimeout = 10 * time.Second
