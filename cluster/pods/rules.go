package pods

import (
	"context"
	"net"
	"net/netip"
	"slices"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/cluster/agent"
)

// wish is a rule by whom it means: pods that are made anew have other addresses.
type wish struct {
	rule    cluster.Rule
	peer    *node // nil: the rule's own address
	harness bool
}

// mean finds out whom rules mean: a node that has the address now, else one that had it
// at first, else this machine.
func (d *deployment) mean(rules []cluster.Rule) []wish {
	var list []wish
	for _, r := range rules {
		list = append(list, d.meanOne(r))
	}
	return list
}

func (d *deployment) meanOne(r cluster.Rule) wish {
	a := r.Peer.Unmap()
	for _, n := range d.nodes {
		if slices.Contains(n.addrs(), a) {
			return wish{rule: r, peer: n}
		}
	}
	for _, n := range d.nodes {
		if a == n.public.Addr {
			return wish{rule: r, peer: n}
		}
	}
	harness := a == d.here || slices.ContainsFunc(d.nodes, func(n *node) bool { return n.harness() == a })
	return wish{rule: r, harness: harness}
}

// resolve makes rules of wishes for a node, with everybody's addresses of now.
func (d *deployment) resolve(n *node, wishes []wish) []cluster.Rule {
	var rules []cluster.Rule
	for _, w := range wishes {
		addrs := []netip.Addr{w.rule.Peer}
		switch {
		case w.peer != nil:
			addrs = w.peer.addrs()
		case w.harness:
			addrs = append(append(addrs, d.here), machine()...)
			if peer := n.harness(); peer.IsValid() {
				addrs = append(addrs, peer)
			}
		}
		slices.SortFunc(addrs, netip.Addr.Compare)
		for _, a := range slices.Compact(addrs) {
			r := w.rule
			r.Peer = a
			rules = append(rules, r)
		}
	}
	return rules
}

// machine are all addresses of this machine.
func machine() []netip.Addr {
	list, _ := net.InterfaceAddrs() // without them there is the one towards the nodes
	var addrs []netip.Addr
	for _, a := range list {
		if prefix, err := netip.ParsePrefix(a.String()); err == nil && !prefix.Addr().IsLoopback() && !prefix.Addr().IsLinkLocalUnicast() {
			addrs = append(addrs, prefix.Addr().Unmap())
		}
	}
	return addrs
}

// block puts rules into force, or notes them for when the pod is there again.
func (n *node) block(ctx context.Context, a cluster.Action) (cluster.Effect, error) {
	wishes := n.d.mean(a.Rules)
	n.rules.Lock()
	before := n.wishes[a.ID]
	n.wishes[a.ID] = append(slices.Clone(before), wishes...)
	n.rules.Unlock()
	a.Rules = n.d.resolve(n, wishes)
	effect, err := n.byGuest(ctx, a, false)
	if err != nil {
		n.rules.Lock()
		if before == nil {
			delete(n.wishes, a.ID)
		} else {
			n.wishes[a.ID] = before
		}
		n.rules.Unlock()
	}
	return effect, err
}

// unblock takes the rules of a fault out of force.
func (n *node) unblock(ctx context.Context, a cluster.Action) (cluster.Effect, error) {
	n.rules.Lock()
	_, there := n.wishes[a.ID]
	delete(n.wishes, a.ID)
	n.rules.Unlock()
	effect, err := n.byGuest(ctx, a, false)
	effect.Changed = effect.Changed || there && err == nil
	return effect, err
}

// wished tells whether rules are to be in force.
func (n *node) wished() bool {
	n.rules.Lock()
	defer n.rules.Unlock()
	return len(n.wishes) > 0
}

// apply gives a guest all rules that are to be in force, by the addresses of now, in
// place of those that it has.
func (n *node) apply(ctx context.Context, c *agent.Client) error {
	n.rules.Lock()
	defer n.rules.Unlock()
	for id, wishes := range n.wishes {
		if _, err := c.Do(ctx, cluster.Action{Kind: agent.Replace, ID: id, Rules: n.d.resolve(n, wishes)}); err != nil {
			return err
		}
	}
	return nil
}

// applyElsewhere has the other nodes' rules follow a node that has moved.
func (d *deployment) applyElsewhere(ctx context.Context, moved *node) {
	d.mu.Lock()
	d.moves++
	d.mu.Unlock()
	for _, n := range d.nodes {
		n.mu.Lock()
		h := n.network
		n.mu.Unlock()
		if n == moved || h == nil || !n.wished() {
			continue // a guest to come gets the rules by the addresses of then
		}
		if err := n.apply(ctx, h.client); err != nil {
			d.log.Warn("the rules do not follow a pod that was made anew", "on", n.public.Name, "moved", moved.public.Name, "error", err)
		}
	}
}
