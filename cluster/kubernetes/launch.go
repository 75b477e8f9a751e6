package kubernetes

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent"
	"github.com/aftershock-chaos/aftershock/cluster/kubernetes/api"
)

// launch is one call of Launch.
type launch struct {
	api     *api.API
	spec    cluster.Spec
	log     *slog.Logger
	lease   time.Duration
	owner   metav1.OwnerReference // the keeper
	cluster *running
	asked   bool // the cluster was asked to make something

	posture, keeperPosture posture

	authority *agent.Authority
	tracker   *api.Tracker
}

func newLaunch(a *api.API, spec cluster.Spec) (*launch, error) {
	if spec.Launch == "" {
		spec.Launch = rand.Text()
	}
	l := &launch{api: a, spec: spec, log: spec.Logger, lease: spec.Lease}
	if l.lease == 0 {
		l.lease = cluster.DefaultLease
	}
	var err error
	if l.authority, err = agent.NewAuthority(); err != nil {
		return nil, err
	}
	l.cluster = &running{api: a, launch: spec.Launch, log: spec.Logger, stopLease: func() {}}
	return l, nil
}

// run makes everything; on error, what was made bears the launch's label, and closing
// l.cluster removes it.
func (l *launch) run(ctx context.Context) (*running, error) {
	begin := time.Now()
	step := func(name string) {
		l.log.Debug("kubernetes launch", "step", name, "after", time.Since(begin).Round(time.Millisecond))
	}
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := l.admit(call); err != nil {
		return nil, err
	}
	step("admitted")
	if err := l.makeKeeper(call); err != nil {
		return nil, err
	}
	var err error
	if l.tracker, err = l.api.Track(ctx, selector(l.spec.Launch)); err != nil {
		return nil, remedy(err, l.api.Namespace)
	}
	defer l.tracker.Stop()
	step("keeper asked for")
	nodes := make([]*cluster.Node, len(l.spec.Nodes))
	all, nodesCtx := errgroup.WithContext(ctx)
	all.Go(func() error {
		control, _, err := l.meet(nodesCtx, keeperName)
		if err != nil {
			return fmt.Errorf("the keeper: %w", err)
		}
		l.cluster.hold(control.Close)
		return nil
	})
	peers := make([]netip.Addr, len(nodes))
	for i := range nodes {
		all.Go(func() (err error) {
			if nodes[i], peers[i], err = l.node(nodesCtx, i); err != nil {
				return fmt.Errorf("node %s: %w", l.spec.Nodes[i].Name, err)
			}
			l.cluster.hold(nodes[i].Close)
			return nil
		})
	}
	if err := all.Wait(); err != nil {
		return nil, err
	}
	step("agents answer")
	l.cluster.nodes = nodes
	l.cluster.harness, err = agree(nodes, peers)
	return l.cluster, err
}

// admit finds out what the namespace admits, without making anything.
func (l *launch) admit(ctx context.Context) error {
	lowest := full
	if l.spec.Needs.Volume == nil && !l.spec.Needs.Trace && !l.spec.Needs.Shape {
		lowest = restricted
	}
	var first error
	for p := full; p <= lowest; p++ {
		err := l.api.Pods.Try(ctx, l.nodePod(0, p))
		if err == nil {
			if p != full {
				l.log.Warn("the namespace admits less than some faults need: what the nodes cannot do is told before the run", "namespace", l.api.Namespace, "admitted", p.String(), "refused", api.Words(first))
			}
			l.posture, l.keeperPosture = p, max(p, baseline)
			return nil
		}
		if first == nil {
			first = err
		}
		if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "PodSecurity") {
			return fmt.Errorf("the cluster does not admit a node's pod: %w", remedy(err, l.api.Namespace))
		}
	}
	return fmt.Errorf("the cluster does not admit a node's pod: %w", remedy(first, l.api.Namespace))
}

// node makes node i's pod and waits for its agent.
func (l *launch) node(ctx context.Context, i int) (*cluster.Node, netip.Addr, error) {
	name := l.spec.Nodes[i].Name
	call, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if _, err := l.api.Pods.Create(call, l.nodePod(i, l.posture)); err != nil {
		return nil, netip.Addr{}, fmt.Errorf("make its pod: %w", remedy(err, l.api.Namespace))
	}
	control, pod, err := l.meet(ctx, name)
	if err != nil {
		return nil, netip.Addr{}, err
	}
	peer, err := control.Peer(ctx)
	addr, addrErr := netip.ParseAddr(pod.Status.PodIP)
	if err := errors.Join(err, addrErr); err != nil {
		return nil, netip.Addr{}, errors.Join(err, control.Close())
	}
	l.log.Info("node", "name", name, "pod", pod.Name, "machine", pod.Spec.NodeName, "addr", addr)
	return &cluster.Node{Name: name, Index: i, Addr: addr, Control: control, Away: func(ctx context.Context) string { return away(ctx, l.api, pod) }}, peer, nil
}

// meet waits for the pod of a node, or the keeper's, hands its agent the keys and
// connects to it.
func (l *launch) meet(ctx context.Context, name string) (*agent.Client, *corev1.Pod, error) {
	pod, err := l.await(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	bound, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	secret, err := l.authority.Secret(name)
	if err != nil {
		return nil, nil, err
	}
	explained := func(err error) error { return remedy(err, l.api.Namespace) }
	hello := l.api.Hello(bound, pod.Name, container, secret.Encode(), explained)
	defer hello.End()
	if l.spec.AgentImage == "" {
		if err := l.api.Carry(bound, pod.Name, container, takeBinary, l.spec.Binary); err != nil {
			return nil, nil, fmt.Errorf("bring the aftershock binary into the pod: %w (without a shell in the image, use --agent-image)%s", remedy(err, l.api.Namespace), hello)
		}
	}
	lease := l.lease
	if name == keeperName {
		lease = keeperLease
	}
	control, err := l.dial(bound, pod, name, lease)
	if err != nil {
		return nil, nil, fmt.Errorf("its agent does not answer: %w; %s%s", err, away(context.WithoutCancel(ctx), l.api, pod), hello)
	}
	return control, pod, nil
}

// errDeleted is that somebody else took away a pod that nobody makes anew.
var errDeleted = errors.New("its pod was deleted by somebody else before it ran")

// await waits until a pod runs. What cannot come to that ends it at once.
func (l *launch) await(ctx context.Context, name string) (*corev1.Pod, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	began := prefix(l.spec.Launch) + "-" + name
	var pod *corev1.Pod
	seen, homeless := false, time.Time{}
	for {
		look, stop := context.WithTimeout(ctx, time.Second) // what does not change is looked at as well
		err := l.tracker.Wait(look, func(pods map[string]*corev1.Pod) (bool, error) {
			pod = nil
			for _, p := range pods {
				if p.Name == began || name == keeperName && strings.HasPrefix(p.Name, began+"-") {
					pod = p
				}
			}
			if pod == nil && seen && name != keeperName {
				return false, errDeleted
			}
			seen = seen || pod != nil
			return pod != nil && runs(pod), stuck(pod)
		})
		stop()
		switch {
		case err == nil:
			return pod, nil
		case ctx.Err() != nil:
			return nil, fmt.Errorf("its pod does not run: %w; %s", ctx.Err(), state(pod))
		case !errors.Is(err, context.DeadlineExceeded):
			return nil, err
		}
		why := unplaced(pod)
		switch {
		case why == "":
			homeless = time.Time{}
		case homeless.IsZero():
			homeless = time.Now()
		case time.Since(homeless) > placeTimeout:
			return nil, fmt.Errorf("no machine of the cluster takes its pod: %s", why)
		}
	}
}

// agree is the harness's address, which all nodes have to see alike: partitions name it.
func agree(nodes []*cluster.Node, peers []netip.Addr) (netip.Addr, error) {
	for i, p := range peers {
		if p.IsLoopback() {
			return netip.Addr{}, fmt.Errorf("%w: this machine reaches pods through the API server alone, and clients need their addresses: run aftershock in a pod of the cluster", cluster.ErrUnavailable)
		}
		if p != peers[0] {
			return netip.Addr{}, fmt.Errorf("%w: %s sees this machine as %s, and %s as %s, so that no partition could cut its clients off: run aftershock in a pod of the cluster",
				cluster.ErrUnavailable, nodes[0].Name, peers[0], nodes[i].Name, p)
		}
	}
	return peers[0], nil
}
