package compose

import (
	"net/netip"
	"slices"

	"github.com/aftershock-chaos/aftershock/cluster/guests"
)

// whom finds out whom an address means: a node that has it now, else one that had it at
// first, else this machine. A node has one in each of its networks.
func (d *deployment) whom(a netip.Addr) guests.Whom {
	for _, n := range d.nodes {
		if slices.Contains(n.look().addrs(), a) {
			return n.whereNow
		}
	}
	for _, n := range d.nodes {
		if a == n.Public.Addr {
			return n.whereNow
		}
	}
	for _, n := range d.nodes {
		if slices.Contains(n.look().harness(), a) {
			return func(on int) []netip.Addr { return append(d.nodes[on].look().harness(), guests.Machine()...) }
		}
	}
	return nil
}

// whereNow are the node's addresses.
func (n *node) whereNow(int) []netip.Addr { return n.look().addrs() }
