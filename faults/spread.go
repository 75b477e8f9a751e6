package faults

import (
	"net/netip"
	"slices"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// Spread has what an action does to the packets of clients at one address done to those
// of clients at other addresses too. A limit of rate holds for each address by itself.
func Spread(a cluster.Action, clients netip.Addr, others []netip.Addr) cluster.Action {
	if len(others) == 0 {
		return a
	}
	rules, links := slices.Clone(a.Rules), slices.Clone(a.Links)
	for _, addr := range others {
		for _, r := range a.Rules {
			if r.Peer == clients {
				r.Peer = addr
				rules = append(rules, r)
			}
		}
		for _, l := range a.Links {
			if l.Peer == clients {
				l.Peer = addr
				links = append(links, l)
			}
		}
	}
	a.Rules, a.Links = rules, links
	return a
}
