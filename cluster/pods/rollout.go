package pods

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/kubernetes/api"
)

// rolloutTimeout is how long a StatefulSet may take to replace all its pods.
const rolloutTimeout = 10 * time.Minute

// restartedAt is the annotation that kubectl rollout restart changes: pods of another
// template are replaced.
const restartedAt = "kubectl.kubernetes.io/restartedAt"

// rollout is one replacement of all pods.
type rollout struct {
	once   sync.Once
	effect cluster.Effect
	err    error
}

// rollout has the StatefulSet replace all its pods, whichever node is asked first, and
// waits until this node's own was.
func (n *node) rollout(ctx context.Context, a cluster.Action) (cluster.Effect, error) {
	before := n.look().pod
	n.Change(func() { n.asked, n.askedFor, n.askedAt = a.ID, true, time.Time{} })
	defer n.Change(func() {
		if n.asked == a.ID {
			n.asked, n.askedFor = "", false
		}
	})
	n.d.mu.Lock()
	if n.d.rollouts == nil {
		n.d.rollouts = map[string]*rollout{}
	}
	r := n.d.rollouts[a.ID]
	if r == nil {
		r = new(rollout)
		n.d.rollouts[a.ID] = r
	}
	n.d.mu.Unlock()
	r.once.Do(func() { r.effect, r.err = n.d.replaceAll(ctx, a.At) })
	if r.err != nil {
		return cluster.Effect{}, r.err
	}
	ctx, cancel := context.WithTimeout(ctx, rolloutTimeout)
	defer cancel()
	err := n.Wait(ctx, func() bool {
		p := n.seen.pod
		return p != nil && (before == nil || p.UID != before.UID) && n.life != "" && isReady(p)
	})
	if err != nil {
		return cluster.Effect{}, fmt.Errorf("see the pod replaced: %w; %s", err, state(n.look().pod))
	}
	return r.effect, nil
}

func (d *deployment) replaceAll(ctx context.Context, at time.Time) (cluster.Effect, error) {
	if err := sleepUntil(ctx, at); err != nil {
		return cluster.Effect{}, err
	}
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	began := time.Now()
	change := map[string]any{"spec": map[string]any{"template": map[string]any{"metadata": map[string]any{
		"annotations": map[string]string{restartedAt: began.Format(time.RFC3339)}}}}}
	if _, err := d.api.StatefulSets.Patch(call, d.target.StatefulSet, change); err != nil {
		return cluster.Effect{}, remedy(err, d.api)
	}
	answered := time.Now()
	return cluster.Effect{At: answered, Error: answered.Sub(began), Changed: true}, nil
}

func isReady(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// canRollOut says why the pods cannot be replaced in turn.
func (n *node) canRollOut(ctx context.Context) error {
	if n.d.target.StatefulSet == "" {
		return errors.New("the plan names pods, and no StatefulSet that replaces them: name it in target.attach.kubernetes.statefulset")
	}
	return n.mayDo(ctx, api.Right{Group: "apps", Resource: "statefulsets"}, "patch")
}
