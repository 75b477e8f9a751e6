package pods

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent"
)

// node is one pod, and what the cluster puts in its place. It implements
// cluster.Control.
type node struct {
	d      *deployment
	index  int
	public *cluster.Node
	exits  chan cluster.Exit

	// rules is held while the guest is given rules anew, see rules.go.
	rules  sync.Mutex
	wishes map[string][]wish // by fault; guarded by rules

	mu        sync.Mutex
	seen      seen // its pod is nil while there is none
	addr      netip.Addr
	life      string        // the container of the server that runs; empty: none does
	network   *hosted       // nil: none answers
	processes *hosted       // likewise
	peer      netip.Addr    // this machine, as the network guest sees it
	guests    int           // brought so far, for their names
	changed   chan struct{} // closed and replaced with each change of the above
	asked     string        // the id of the action that asks for the server's end
	askedFor  bool
	askedAt   time.Time // when the guest put that into effect; zero: not known yet
	died      time.Time // when the server was last seen to end
	began     time.Time // when the server was last seen to run
	paused    map[string]bool
	meter     cluster.Meter
	ended     bool
}

var (
	_ cluster.Control = (*node)(nil)
	_ cluster.Heard   = (*node)(nil)
	_ cluster.Metered = (*node)(nil)
)

func newNode(d *deployment, i int, name string, s seen) *node {
	n := &node{
		d: d, index: i, seen: s, addr: s.addr, exits: make(chan cluster.Exit, exitsBuffered),
		wishes: map[string][]wish{}, changed: make(chan struct{}), paused: map[string]bool{},
	}
	n.life = statusOf(s.pod, s.container).ContainerID
	n.public = &cluster.Node{Name: name, Index: i, Addr: s.addr, Port: d.spec.Port, Control: n, Away: func(context.Context) string { return "its pod: " + state(n.look().pod) }}
	return n
}

// look is what was last seen of the pod.
func (n *node) look() seen {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.seen
}

// addrs are all addresses of the node now; those that it had while it has none.
func (n *node) addrs() []netip.Addr {
	n.mu.Lock()
	defer n.mu.Unlock()
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
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.peer
}

// change changes the node's state and wakes who waits for that.
func (n *node) change(f func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	f()
	close(n.changed)
	n.changed = make(chan struct{})
}

// wait returns when ok is true, which is asked with mu held.
func (n *node) wait(ctx context.Context, ok func() bool) error {
	for {
		n.mu.Lock()
		done, changed := ok(), n.changed
		n.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-n.d.ctx.Done():
			return agent.ErrLost
		}
	}
}

const guestTimeout = 20 * time.Second // for a guest to be there again

var (
	errUninvited = errors.New("no guest was invited")
	errDown      = errors.New("it does not run")
)

// meetGuest is the guest that answers: the one of processes, or of the network. It
// waits for the next one while the server, or the pod, has just been started. The error
// is errDown if it does not run.
func (n *node) meetGuest(ctx context.Context, ofProcesses bool) (*hosted, error) {
	if !n.d.isInvited() {
		return nil, errUninvited
	}
	ctx, cancel := context.WithTimeout(ctx, guestTimeout)
	defer cancel()
	var h *hosted
	var up bool
	err := n.wait(ctx, func() bool {
		h, up = n.network, n.seen.pod != nil
		if ofProcesses {
			h, up = n.processes, n.life != ""
		}
		return h != nil || !up
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("no guest answers in the pod of %s: %w", n.public.Name, err)
	case h == nil:
		return nil, errDown
	}
	return h, nil
}

// Start implements cluster.Control: it is refused.
func (n *node) Start(context.Context, cluster.ServerSpec) error {
	return fmt.Errorf("start a server on %s: %w: it has its own", n.public.Name, cluster.ErrCannot)
}

// Probe implements cluster.Control.
func (n *node) Probe(ctx context.Context, addr netip.AddrPort, timeout time.Duration) error {
	h, err := n.meetGuest(ctx, false)
	if err != nil {
		return err
	}
	return h.client.Probe(ctx, addr, timeout)
}

// DialServer implements cluster.Control. Where no guest was invited it goes over the
// network, which nobody breaks then.
func (n *node) DialServer(ctx context.Context, port int) (net.Conn, error) {
	h, err := n.meetGuest(ctx, false)
	if errors.Is(err, errUninvited) {
		return new(net.Dialer).DialContext(ctx, "tcp", netip.AddrPortFrom(n.public.At(), uint16(port)).String())
	}
	if err != nil {
		return nil, err
	}
	return h.client.DialServer(ctx, port)
}

// Exits implements cluster.Control.
func (n *node) Exits() <-chan cluster.Exit { return n.exits }

// tellExit delivers an exit.
func (n *node) tellExit(e cluster.Exit) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.ended {
		return
	}
	select {
	case n.exits <- e:
	default:
		n.d.log.Warn("nobody takes the node's exits; this one is lost", "node", n.public.Name)
	}
}

// Heard implements cluster.Heard. A node that has no guest for the moment, as its pod is
// made anew, is not one that does not answer; a guest ends as soon as its pod is to.
func (n *node) Heard() time.Time {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.network == nil || n.seen.pod == nil || n.seen.pod.DeletionTimestamp != nil {
		return time.Now()
	}
	return n.network.client.Heard()
}

// Usage implements cluster.Metered: of the processes that the guest sees in the
// container. While there is none it is an error.
func (n *node) Usage(ctx context.Context) (cluster.Usage, error) {
	n.mu.Lock()
	h := n.processes
	n.mu.Unlock()
	if h == nil {
		return cluster.Usage{}, fmt.Errorf("read the usage of %s: no guest is there", n.public.Name)
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

func (n *node) isEnded() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.ended
}

// end makes the guests end, that first which is reached through the other. It may be
// called more than once.
func (n *node) end() {
	var guests []*hosted
	n.change(func() {
		guests = []*hosted{n.processes, n.network}
		n.processes, n.network = nil, nil
		if !n.ended {
			n.ended = true
			close(n.exits)
		}
	})
	for _, h := range guests {
		if h == nil {
			continue
		}
		if err := h.client.Close(); err != nil {
			n.d.log.Debug("pods close", "node", n.public.Name, "error", err)
		}
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(n.d.ctx), closeTimeout)
	defer cancel()
	err := n.d.tracker.Wait(ctx, func(there map[string]*corev1.Pod) (bool, error) { return ended(there, guests), nil })
	if err != nil {
		n.d.log.Debug("pods close", "node", n.public.Name, "its guests end later", err)
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
