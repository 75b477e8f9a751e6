package pods

import (
	"net/netip"
	"slices"

	"github.com/aftershock-chaos/aftershock/cluster/guests"
)

// whom finds out whom an address means: a node that has it now, else one that had it at
// first, else this machine. Pods that are made anew have other addresses.
func (d *deployment) whom(a netip.Addr) guests.Whom {
	for _, n := range d.nodes {
		if slices.Contains(n.addrs(), a) {
			return n.whereNow
		}
	}
	for _, n := range d.nodes {
		if a == n.Public.Addr {
			return n.whereNow
		}
	}
	if a == d.here || slices.ContainsFunc(d.nodes, func(n *node) bool { return n.harness() == a }) {
		return d.machine
	}
	return nil
}

// whereNow are the node's addresses.
func (n *node) whereNow(int) []netip.Addr { return n.addrs() }

// machine are this machine's addresses, with the one that a node sees.
func (d *deployment) machine(on int) []netip.Addr {
	addrs := append(guests.Machine(), d.here)
	if peer := d.nodes[on].harness(); peer.IsValid() {
		addrs = append(addrs, peer)
	}
	return addrs
}
