package guests

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent"
)

// Whom is somebody whom rules mean: its addresses now, as the node with that index has
// to know them. nil is nobody known: the rule's own address.
type Whom func(on int) []netip.Addr

// wish is a rule by whom it means: addresses change, and one may have several.
type wish struct {
	rule cluster.Rule
	whom Whom
}

// Rules are the network rules that are to be in force on a node, by the fault that
// asked for them. They outlive guests and addresses.
type Rules struct {
	node int
	whom func(netip.Addr) Whom

	mu     sync.Mutex // held also while a guest is given them anew
	wishes map[string][]wish
}

func newRules(node int, whom func(netip.Addr) Whom) *Rules {
	return &Rules{node: node, whom: whom, wishes: map[string][]wish{}}
}

// resolve makes rules of wishes, with everybody's addresses of now.
func (r *Rules) resolve(wishes []wish) []cluster.Rule {
	var rules []cluster.Rule
	for _, w := range wishes {
		addrs := []netip.Addr{w.rule.Peer}
		if w.whom != nil {
			addrs = slices.Clone(w.whom(r.node))
		}
		slices.SortFunc(addrs, netip.Addr.Compare)
		for _, a := range slices.Compact(addrs) {
			rule := w.rule
			rule.Peer = a
			rules = append(rules, rule)
		}
	}
	return rules
}

// Do is how a node has its guest do an action.
type Do func(context.Context, cluster.Action) (cluster.Effect, error)

// Block puts an action's rules into force, or notes them for a guest to come. After an
// error they are as before.
func (r *Rules) Block(ctx context.Context, a cluster.Action, do Do) (cluster.Effect, error) {
	wishes := make([]wish, len(a.Rules))
	for i, rule := range a.Rules {
		wishes[i] = wish{rule, r.whom(rule.Peer.Unmap())}
	}
	r.mu.Lock()
	before := r.wishes[a.ID]
	r.wishes[a.ID] = append(slices.Clone(before), wishes...)
	r.mu.Unlock()
	a.Rules = r.resolve(wishes)
	effect, err := do(ctx, a)
	if err != nil {
		r.mu.Lock()
		if before == nil {
			delete(r.wishes, a.ID)
		} else {
			r.wishes[a.ID] = before
		}
		r.mu.Unlock()
	}
	return effect, err
}

// Unblock takes the rules of a fault out of force. They have changed something if a
// guest had them, or they were noted.
func (r *Rules) Unblock(ctx context.Context, a cluster.Action, do Do) (cluster.Effect, error) {
	r.mu.Lock()
	_, there := r.wishes[a.ID]
	delete(r.wishes, a.ID)
	r.mu.Unlock()
	effect, err := do(ctx, a)
	effect.Changed = effect.Changed || there && err == nil
	return effect, err
}

// Wished tells whether rules are to be in force.
func (r *Rules) Wished() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.wishes) > 0
}

// Doer does actions: an agent.Client.
type Doer interface {
	Do(ctx context.Context, a cluster.Action) (cluster.Effect, error)
}

// Apply gives a guest all rules that are to be in force, by the addresses of now, in
// place of those that it has.
func (r *Rules) Apply(ctx context.Context, guest Doer) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, wishes := range r.wishes {
		if _, err := guest.Do(ctx, cluster.Action{Kind: agent.Replace, ID: id, Rules: r.resolve(wishes)}); err != nil {
			return err
		}
	}
	return nil
}

// Machine are this machine's addresses that others may know it by: a client that comes
// in by a published port or through a bridge has any of them.
func Machine() []netip.Addr {
	list, _ := net.InterfaceAddrs() // without them there is what the node itself sees
	var addrs []netip.Addr
	for _, a := range list {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && !prefix.Addr().IsLoopback() && !prefix.Addr().IsLinkLocalUnicast() {
			addrs = append(addrs, prefix.Addr().Unmap())
		}
	}
	return addrs
}

// Towards is the address that this machine's packets to another come from; no packet
// is sent to find out.
func Towards(there netip.Addr) (netip.Addr, error) {
	conn, err := net.Dial("udp", netip.AddrPortFrom(there, 9).String())
	if err != nil {
		return netip.Addr{}, err
	}
	defer conn.Close()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(), nil
}
