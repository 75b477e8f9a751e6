package pods

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/aftershock-chaos/aftershock/cluster/agent"
)

// posture is what a guest's processes may do.
type posture uint8

const (
	privileged posture = iota // root, with the one or two capabilities of its faults
	same                      // what the server itself may do: a pod that is there is admitted with that
)

// security is a posture as a guest's container is told it.
func (p posture) security(s seen, kind agent.Guest) *corev1.SecurityContext {
	if p == same {
		c := new(corev1.SecurityContext)
		for _, own := range s.pod.Spec.Containers {
			if own.Name == s.container && own.SecurityContext != nil {
				c = own.SecurityContext.DeepCopy()
			}
		}
		c.ReadOnlyRootFilesystem = nil // the guest's own, which may take the binary
		return c
	}
	root := int64(0)
	c := &corev1.SecurityContext{RunAsUser: &root, RunAsGroup: &root, RunAsNonRoot: new(bool),
		Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}, Add: []corev1.Capability{"NET_ADMIN"}}}
	if kind == agent.GuestOfBoth {
		c.Capabilities.Add = []corev1.Capability{"SYS_PTRACE", "KILL"}
	}
	return c
}

// admission is what the namespace admits of guests.
type admission struct {
	network, processes posture
	noRules            error // why the network guest has no rules: the admission's words; nil: it may have
	noTrace            error // why the process guest may trace processes of its own user alone; nil: it may trace all
}

func (a *admission) of(kind agent.Guest) posture {
	if kind == agent.GuestOfBoth {
		return a.processes
	}
	return a.network
}

// admitted finds out what the namespace admits, without changing anything there. An
// answer is kept.
func (d *deployment) admitted(ctx context.Context) (*admission, error) {
	d.admitting.Lock()
	defer d.admitting.Unlock()
	if d.admission != nil {
		return d.admission, nil
	}
	s := d.nodes[0].look()
	if s.pod == nil {
		return nil, errGone
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	found := new(admission)
	for _, g := range []struct {
		kind agent.Guest
		is   *posture
		why  *error
	}{{agent.GuestNetwork, &found.network, &found.noRules}, {agent.GuestOfBoth, &found.processes, &found.noTrace}} {
		for *g.is = privileged; ; *g.is++ {
			err := d.api.Pods.TryPatch(ctx, s.pod.Name, inviting(d.container(s, "aftershock-try", g.kind, *g.is)), part)
			if err == nil {
				break
			}
			if *g.is == same || !insecure(err) {
				return nil, fmt.Errorf("the cluster admits no guest in pod %s: %w", s.pod.Name, remedy(err, d.api))
			}
			*g.why = remedy(err, d.api)
		}
	}
	if found.noRules != nil {
		d.Log.Warn("the namespace does not admit what network faults need", "namespace", d.api.Namespace, "refused", found.noRules)
	}
	d.admission = found
	return found, nil
}
