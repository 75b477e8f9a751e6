package pods

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent"
	"github.com/aftershock-chaos/aftershock/cluster/guests"
)

// node is one pod, and what the cluster puts in its place. It implements
// cluster.Control.
type node struct {
	*guests.Node
	d *deployment

	// Guarded by Mu:
	seen      seen // its pod is nil while there is none
	addr      netip.Addr
	life      string     // the container of the server that runs; empty: none does
	network   *hosted    // nil: none answers
	processes *hosted    // likewise
	peer      netip.Addr // this machine, as the network guest sees it
	brought   int        // guests so far, for their names
	asked     string     // the id of the action that asks for the server's end
	askedFor  bool
	askedAt   time.Time // when the guest put that into effect; zero: not known yet
	died      time.Time // when the server was last seen to end
	began     time.Time // when the server was last seen to run
	meter     cluster.Meter
}

var (
	_ cluster.Control = (*node)(nil)
	_ cluster.Heard   = (*node)(nil)
	_ cluster.Metered = (*node)(nil)
)

func newNode(d *deployment, i int, name string, s seen) *node {
	n := &node{d: d, seen: s, addr: s.addr, life: statusOf(s.pod, s.container).ContainerID}
	public := &cluster.Node{Name: name, Index: i, Addr: s.addr, Port: d.spec.Port, Control: n, Away: func(context.Context) string { return "its pod: " + state(n.look().pod) }}
	n.Node = guests.NewNode(d.Deployment, public, guests.Via{
		Network: func(ctx context.Context) (*agent.Client, error) {
			g, err := n.meetGuest(ctx, false)
			return g.agent(), err
		},
		Now:  func() *agent.Client { return n.network.agent() },
		Whom: d.whom,
	})
	return n
}

// look is what was last seen of the pod.
func (n *node) look() seen {
	n.Mu.Lock()
	defer n.Mu.Unlock()
	return n.seen
}

// addrs are all addresses of the node now; those that it had while it has none.
func (n *node) addrs() []netip.Addr {
	n.Mu.Lock()
	defer n.Mu.Unlock()
	if n.seen.pod == nil || n.seen.pod.Status.PodIP == "" {
		return []netip.Addr{n.addr}
	}
	return addrsOf(n.seen.pod)
}

func addrsOf(p *corev1.Pod) []netip.Addr {
	var all []netip.Addr
	for _, ip := range p.Status.PodIPs {
		if a, err := netip.ParseAddr(ip.IP); err == nil {
			all = append(all, a)
		}
	}
	return all
}

// harness is this machine as the node sees it; not valid if nobody has seen it.
func (n *node) harness() netip.Addr {
	n.Mu.Lock()
	defer n.Mu.Unlock()
	return n.peer
}

const guestTimeout = 20 * time.Second // for a guest to be there again

// meetGuest is the guest that answers: the one of processes, or of the network. It
// waits for the next one while the server, or the pod, has just been started. The error
// is guests.ErrDown if it does not run.
func (n *node) meetGuest(ctx context.Context, ofProcesses bool) (*hosted, error) {
	return guests.Meet(ctx, n.Node, guestTimeout, func() (*hosted, bool) {
		if ofProcesses {
			return n.processes, n.life != ""
		}
		return n.network, n.seen.pod != nil
	})
}

// Heard implements cluster.Heard. A node that has no guest for the moment, as its pod is
// made anew, is not one that does not answer; a guest ends as soon as its pod is to.
func (n *node) Heard() time.Time {
	n.Mu.Lock()
	defer n.Mu.Unlock()
	if n.network == nil || n.seen.pod == nil || n.seen.pod.DeletionTimestamp != nil {
		return time.Now()
	}
	return n.network.client.Heard()
}

// Usage implements cluster.Metered: of the processes that the guest sees in the
// container. While there is none it is an error.
func (n *node) Usage(ctx context.Context) (cluster.Usage, error) {
	n.Mu.Lock()
	h := n.processes
	n.Mu.Unlock()
	if h == nil {
		return cluster.Usage{}, fmt.Errorf("read the usage of %s: no guest is there", n.Public.Name)
	}
	u, err := h.client.Usage(ctx)
	if err == nil {
		u.Set = n.meter.Add(u.Set)
	}
	return u, err
}

// Close implements cluster.Control: the guests end and let go what they hold.
func (n *node) Close() error {
	n.end()
	return nil
}

// end makes the guests end, that first which is reached through the other. It may be
// called more than once.
func (n *node) end() {
	var guests []*hosted
	n.Change(func() {
		guests = []*hosted{n.processes, n.network}
		n.processes, n.network = nil, nil
		n.EndExits()
	})
	for _, h := range guests {
		if h == nil {
			continue
		}
		if err := h.client.Close(); err != nil {
			n.d.Log.Debug("pods close", "node", n.Public.Name, "error", err)
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(n.d.Context), closeTimeout)
	defer cancel()
	err := n.d.tracker.Wait(ctx, func(there map[string]*corev1.Pod) (bool, error) { return ended(there, guests), nil })
	if err != nil {
		n.d.Log.Debug("pods close", "node", n.Public.Name, "its guests end later", err)
	}
}

// ended tells whether guests have ended, and with them what they held.
func ended(there map[string]*corev1.Pod, guests []*hosted) bool {
	for _, h := range guests {
		if h == nil || there[h.pod.Name] == nil || there[h.pod.Name].UID != h.pod.UID {
			continue
		}
		if s := statusOf(there[h.pod.Name], h.name); s != nil && s.State.Running != nil {
			return false
		}
	}
	return true
}
