package pods

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/kubernetes/api"
)

// ownGrace leaves it to the pod how long it takes to end.
const ownGrace = -1

// delete deletes the pod and waits until its server has ended.
func (n *node) delete(ctx context.Context, a cluster.Action) (cluster.Effect, error) {
	if err := sleepUntil(ctx, a.At); err != nil {
		return cluster.Effect{}, err
	}
	return n.endPod(ctx, a, func(name string, grace int64) (time.Time, error) {
		began := time.Now()
		call, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		return began, n.d.api.Pods.Delete(call, name, grace)
	})
}

// endPod has the pod end by a request that takes its name and the seconds of grace, and
// tells when it was sent, and waits until its server has ended. It took effect when the
// cluster had taken the request, by which the server is asked to end.
func (n *node) endPod(ctx context.Context, a cluster.Action, request func(name string, grace int64) (sent time.Time, err error)) (cluster.Effect, error) {
	var s seen
	life := ""
	n.Change(func() {
		s, life = n.seen, n.life
		n.asked, n.askedFor, n.askedAt = a.ID, true, time.Time{}
	})
	unask := func() { n.Change(func() { n.asked, n.askedFor = "", false }) }
	if s.pod == nil || s.pod.DeletionTimestamp != nil {
		unask()
		return cluster.Effect{At: time.Now()}, nil
	}
	grace, limit := int64(ownGrace), deathTimeout+a.Grace
	if a.Grace > 0 {
		grace = int64((a.Grace + time.Second - 1) / time.Second)
	} else if own := s.pod.Spec.TerminationGracePeriodSeconds; own != nil {
		limit += time.Duration(*own) * time.Second
	}
	sent, err := request(s.pod.Name, grace)
	answered := time.Now()
	if err != nil {
		unask()
		if apierrors.IsNotFound(err) {
			return cluster.Effect{At: answered}, nil
		}
		return cluster.Effect{}, remedy(err, n.d.api)
	}
	effect := cluster.Effect{At: answered, Error: answered.Sub(sent), Changed: true}
	if life == "" { // its server was down already
		unask()
		return effect, nil
	}
	bound, stop := context.WithTimeout(ctx, limit)
	defer stop()
	if err := n.Wait(bound, func() bool { return n.life != life }); err != nil {
		unask()
		return cluster.Effect{}, fmt.Errorf("see the end of the pod: %w", err)
	}
	return effect, nil
}

var errOrphan = errors.New("nobody makes the pod anew: it has no StatefulSet, or other controller; use crash")

// canDelete says why the pod cannot be deleted.
func (n *node) canDelete(ctx context.Context) error {
	s := n.look()
	if s.pod != nil && metav1.GetControllerOf(s.pod) == nil {
		return errOrphan
	}
	return n.mayDo(ctx, api.Right{Resource: "pods"}, "delete")
}

// mayDo says that the user may not do something with a kind of objects.
func (n *node) mayDo(ctx context.Context, r api.Right, verb string) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	ok, err := n.d.api.May(ctx, r, verb)
	switch {
	case err != nil:
		return remedy(err, n.d.api)
	case !ok:
		where := "in namespace " + n.d.api.Namespace
		if r.Cluster {
			where = "of the cluster"
		}
		return fmt.Errorf("this user may not %s %s %s; `aftershock doctor --rbac PLAN` prints the role that suffices", verb, r.Resource, where)
	}
	return nil
}
