package pods

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/kubernetes/api"
)

// evictPause is between two tries to evict a pod that a disruption budget holds.
const evictPause = 500 * time.Millisecond

// cordons are the machines that take no new pods for the run's faults, each as long as
// one of them wants it.
type cordons struct {
	mu       sync.Mutex
	machines map[string]string // by fault and node
	wanted   map[string]int    // by machine
	renewing bool
}

// machine is that of the node's pod.
func (n *node) machine() (string, error) {
	if s := n.look(); s.pod != nil && s.pod.Spec.NodeName != "" {
		return s.pod.Spec.NodeName, nil
	}
	return "", errors.New("its pod is on no machine now")
}

// cordon has the machine of the node's pod take no new ones.
func (n *node) cordon(ctx context.Context, a cluster.Action) (cluster.Effect, error) {
	machine, err := n.machineAt(ctx, a)
	if err != nil {
		return cluster.Effect{}, err
	}
	return n.hold(ctx, a, machine)
}

// machineAt is the machine of the node's pod at the action's instant.
func (n *node) machineAt(ctx context.Context, a cluster.Action) (string, error) {
	if err := sleepUntil(ctx, a.At); err != nil {
		return "", err
	}
	return n.machine()
}

// hold has a machine take no new pods, for the action's fault at this node.
func (n *node) hold(ctx context.Context, a cluster.Action, machine string) (cluster.Effect, error) {
	c := &n.d.cordons
	c.mu.Lock()
	defer c.mu.Unlock()
	sent, changed := time.Now(), true
	if c.wanted[machine] == 0 {
		call, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		var err error
		if changed, err = n.d.api.Cordon(call, machine, n.d.spec.Launch); err != nil {
			return cluster.Effect{}, remedy(err, n.d.api)
		}
	}
	answered := time.Now()
	if changed {
		if c.machines == nil {
			c.machines, c.wanted = map[string]string{}, map[string]int{}
		}
		c.machines[a.ID+" "+n.Public.Name] = machine
		c.wanted[machine]++
		if !c.renewing {
			c.renewing = true
			n.d.Background.Go(n.d.renewCordons)
		}
	}
	return cluster.Effect{At: answered, Error: answered.Sub(sent), Changed: changed}, nil
}

// uncordon gives the machine back, unless another fault still wants it.
func (n *node) uncordon(ctx context.Context, a cluster.Action) (cluster.Effect, error) {
	if err := sleepUntil(ctx, a.At); err != nil {
		return cluster.Effect{}, err
	}
	c := &n.d.cordons
	c.mu.Lock()
	defer c.mu.Unlock()
	key := a.ID + " " + n.Public.Name
	machine, ok := c.machines[key]
	if !ok {
		return cluster.Effect{At: time.Now()}, nil
	}
	sent := time.Now()
	if c.wanted[machine] == 1 {
		call, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		if _, err := n.d.api.Uncordon(call, machine, n.d.spec.Launch); err != nil {
			return cluster.Effect{}, remedy(err, n.d.api)
		}
	}
	delete(c.machines, key)
	c.wanted[machine]--
	answered := time.Now()
	return cluster.Effect{At: answered, Error: answered.Sub(sent), Changed: true}, nil
}

// renewCordons says until Close that the machines are still needed as they are.
func (d *deployment) renewCordons() {
	tick := time.NewTicker(api.CordonRenewal)
	defer tick.Stop()
	for {
		select {
		case <-d.Context.Done():
			return
		case <-tick.C:
		}
		d.cordons.mu.Lock()
		for machine, n := range d.cordons.wanted {
			if n == 0 {
				continue
			}
			call, cancel := context.WithTimeout(d.Context, callTimeout)
			if err := d.api.RenewCordon(call, machine); err != nil {
				d.Log.Debug("the cluster does not take that a machine is still needed cordoned", "machine", machine, "err", api.Words(err))
			}
			cancel()
		}
		d.cordons.mu.Unlock()
	}
}

// uncordonAll gives back what no fault's end has.
func (d *deployment) uncordonAll() error {
	d.cordons.mu.Lock()
	defer d.cordons.mu.Unlock()
	var failed error
	for machine, n := range d.cordons.wanted {
		if n == 0 {
			continue
		}
		call, cancel := context.WithTimeout(context.Background(), callTimeout)
		if _, err := d.api.Uncordon(call, machine, d.spec.Launch); err != nil {
			failed = errors.Join(failed, fmt.Errorf("uncordon %s: %w; kubectl uncordon %[1]s does it", machine, remedy(err, d.api)))
		}
		cancel()
	}
	d.cordons.wanted = nil
	return failed
}

// drain cordons the machine of the node's pod and evicts the deployment's pods that are
// on it. It took effect with the first of them. Where a pod cannot be evicted, the
// machine is given back.
func (n *node) drain(ctx context.Context, a cluster.Action) (cluster.Effect, error) {
	machine, err := n.machineAt(ctx, a)
	if err != nil {
		return cluster.Effect{}, err
	}
	effect, err := n.hold(ctx, a, machine)
	if err != nil {
		return cluster.Effect{}, err
	}
	if effect, err = n.evictAll(ctx, a, machine, effect); err != nil {
		back, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTimeout)
		defer cancel()
		_, left := n.uncordon(back, cluster.Action{ID: a.ID})
		return effect, errors.Join(err, left)
	}
	return effect, nil
}

// evictAll evicts the deployment's pods that are on a machine, and tells with the first
// of them that the fault took effect.
func (n *node) evictAll(ctx context.Context, a cluster.Action, machine string, effect cluster.Effect) (cluster.Effect, error) {
	var failed error
	var all sync.WaitGroup
	var mu sync.Mutex
	evicted := false
	for _, other := range n.d.nodes {
		if on, err := other.machine(); err != nil || on != machine {
			continue
		}
		all.Go(func() {
			one, err := other.endPod(ctx, a, func(name string, grace int64) (time.Time, error) { return n.d.evict(ctx, name, grace) })
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				failed = errors.Join(failed, fmt.Errorf("evict the pod of %s: %w", other.Public.Name, err))
			}
			if one.Changed && (!evicted || one.At.Before(effect.At)) {
				effect.At, effect.Error, effect.Changed, evicted = one.At, one.Error, true, true
			}
		})
	}
	all.Wait()
	return effect, failed
}

// evict asks for a pod's eviction until its disruption budget allows it.
func (d *deployment) evict(ctx context.Context, pod string, grace int64) (sent time.Time, err error) {
	eviction := policyv1.Eviction{TypeMeta: metav1.TypeMeta{APIVersion: "policy/v1", Kind: "Eviction"}, ObjectMeta: metav1.ObjectMeta{Name: pod, Namespace: d.api.Namespace}}
	if grace >= 0 {
		eviction.DeleteOptions = &metav1.DeleteOptions{GracePeriodSeconds: &grace}
	}
	body, err := json.Marshal(&eviction)
	if err != nil {
		return time.Time{}, err
	}
	for {
		sent = time.Now()
		call, cancel := context.WithTimeout(ctx, callTimeout)
		err := d.api.Pods.Post(call, pod, "eviction", body)
		cancel()
		if !apierrors.IsTooManyRequests(err) || sleepUntil(ctx, time.Now().Add(evictPause)) != nil {
			return sent, err
		}
	}
}

// canCordon says why the machines of pods cannot be cordoned.
func (n *node) canCordon(ctx context.Context) error {
	for _, r := range api.CordonRights {
		for _, verb := range r.Verbs {
			if err := n.mayDo(ctx, r, verb); err != nil {
				return err
			}
		}
	}
	return nil
}

// canDrain says why pods cannot be evicted.
func (n *node) canDrain(ctx context.Context) error {
	if err := n.canCordon(ctx); err != nil {
		return err
	}
	if s := n.look(); s.pod != nil && metav1.GetControllerOf(s.pod) == nil {
		return errOrphan
	}
	return n.mayDo(ctx, api.Right{Resource: "pods/eviction"}, "create")
}

// Clean is Clean.
func (place) Clean(ctx context.Context) ([]string, error) { return Clean(ctx) }

// Clean gives back what runs of attached pods whose harness died have left, and tells
// what: machines that take no new pods. Guests and rules end by themselves.
func Clean(ctx context.Context) (removed []string, err error) {
	a, err := api.Load("")
	if err != nil {
		return nil, err
	}
	return a.UncordonDead(ctx)
}

// Reap does so for one launch, whose harness has ended.
func Reap(ctx context.Context, launch string) (found bool, err error) {
	a, err := api.Load("")
	if err != nil {
		return false, err
	}
	machines, err := a.UncordonOf(ctx, launch)
	if apierrors.IsForbidden(err) {
		return false, nil // then it had no right to cordon any
	}
	return len(machines) > 0, err
}
