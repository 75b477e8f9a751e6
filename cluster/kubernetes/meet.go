package kubernetes

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent"
	"github.com/aftershock-chaos/aftershock/cluster/kubernetes/api"
)

// dial connects to a pod's agent: straight to the pod if its address answers, else
// through the API server.
func (l *launch) dial(ctx context.Context, pod *corev1.Pod, name string, lease time.Duration) (*agent.Client, error) {
	addr := net.JoinHostPort(pod.Status.PodIP, fmt.Sprint(cluster.ControlPort))
	if api.Reached(ctx, addr) {
		at, err := netip.ParseAddrPort(addr)
		if err != nil {
			return nil, err
		}
		return l.authority.Dial(ctx, at, name, lease)
	}
	forward := func(ctx context.Context) (net.Conn, error) {
		conn, err := l.api.Forward(ctx, pod.Name, cluster.ControlPort)
		return conn, remedy(err, l.api.Namespace)
	}
	return l.authority.DialBy(ctx, forward, "pod "+pod.Name, name, lease)
}

func runs(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodRunning && p.Status.PodIP != "" }

// stuck says why a pod will not run; nil: it may.
func stuck(p *corev1.Pod) error {
	if p == nil {
		return nil
	}
	if p.Status.Phase == corev1.PodFailed || p.Status.Phase == corev1.PodSucceeded {
		return fmt.Errorf("its pod ended: %s", state(p))
	}
	for _, s := range statuses(p) {
		w := s.State.Waiting
		if w == nil || !slices.Contains(api.Hopeless, w.Reason) {
			continue
		}
		err := fmt.Errorf("its container does not start: %s: %s", w.Reason, api.OneLine(w.Message))
		if strings.Contains(w.Reason, "Image") {
			err = fmt.Errorf("%w: %s cannot be pulled by machine %s of the cluster: %s: %s; push it where the cluster pulls from, or set target.image (--agent-image of our own)",
				cluster.ErrImage, s.Image, p.Spec.NodeName, w.Reason, api.OneLine(w.Message))
		}
		return err
	}
	return nil
}

func statuses(p *corev1.Pod) []corev1.ContainerStatus {
	return slices.Concat(p.Status.InitContainerStatuses, p.Status.ContainerStatuses)
}

// unplaced says why no machine takes a pod; empty: one does.
func unplaced(p *corev1.Pod) string {
	if p == nil {
		return ""
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return api.OneLine(c.Message)
		}
	}
	return ""
}

// state is what is known of a pod, in words.
func state(p *corev1.Pod) string {
	if p == nil {
		return "there is no such pod"
	}
	text := "pod " + p.Name + " is " + string(p.Status.Phase)
	if p.Spec.NodeName != "" {
		text += " on machine " + p.Spec.NodeName
	}
	for _, part := range []string{p.Status.Reason, p.Status.Message, unplaced(p)} {
		if part != "" {
			text += ", " + api.OneLine(part)
		}
	}
	for _, s := range statuses(p) {
		switch {
		case s.State.Terminated != nil:
			text += fmt.Sprintf(", its container %s ended with exit code %d (%s)", s.Name, s.State.Terminated.ExitCode, s.State.Terminated.Reason)
		case s.State.Waiting != nil:
			text += fmt.Sprintf(", its container %s waits: %s", s.Name, s.State.Waiting.Reason)
		}
	}
	return text
}

// away says what the cluster knows of a pod whose agent is not heard of.
func away(ctx context.Context, a *api.API, pod *corev1.Pod) string {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	now, err := a.Pods.Get(ctx, pod.Name)
	switch {
	case apierrors.IsNotFound(err), err == nil && now.UID != pod.UID:
		return "its pod " + pod.Name + " was deleted"
	case err != nil:
		return "its pod cannot be looked at: " + api.Words(err)
	case now.DeletionTimestamp != nil:
		return "its pod " + pod.Name + " is being deleted"
	}
	text := state(now)
	if machine, err := a.Nodes.Get(ctx, now.Spec.NodeName); err == nil { // few may look at machines
		for _, c := range machine.Status.Conditions {
			if c.Type == corev1.NodeReady && c.Status != corev1.ConditionTrue {
				text += fmt.Sprintf(", and that machine is not ready (%s)", api.OneLine(c.Message))
			}
		}
	}
	return text
}
