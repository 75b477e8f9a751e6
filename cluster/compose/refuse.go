package compose

import (
	"fmt"
	"net/netip"
	"strings"
)

// check refuses what cannot be attached to, with one message for all of it. It also
// puts the network first in which the nodes are met.
func check(found []seen) error {
	var down, hosts, shared []string
	for _, s := range found {
		switch {
		case s.mode == "host":
			hosts = append(hosts, s.node)
		case s.mode == "none" || strings.HasPrefix(s.mode, "container:"):
			shared = append(shared, s.node)
		case !s.running:
			down = append(down, s.node)
		case len(s.endpoints) == 0:
			shared = append(shared, s.node)
		}
	}
	switch {
	case len(hosts) > 0:
		return fmt.Errorf("%s: network_mode: host: rules there would cut off the machine itself; give it a network of its own", strings.Join(hosts, ", "))
	case len(shared) > 0:
		return fmt.Errorf("%s: without a network of its own (network_mode: none, or another container's): name the container whose network it is", strings.Join(shared, ", "))
	case len(down) > 0:
		return fmt.Errorf("not running: %s: start it (docker compose up -d, docker start), and wait until it is", strings.Join(down, ", "))
	}
	return preferCommon(found)
}

// preferCommon puts first in every node's list the network which they have in common
// and this machine reaches.
func preferCommon(found []seen) error {
	for _, candidate := range found[0].endpoints {
		if !candidate.here.IsValid() {
			continue
		}
		everywhere := true
		for _, s := range found {
			everywhere = everywhere && s.in(candidate.network, candidate.addr.Is4()) >= 0
		}
		if everywhere {
			for i := range found {
				found[i].prefer(candidate.network, candidate.addr.Is4())
			}
			return nil
		}
	}
	for i, s := range found {
		at := -1
		for j := range s.endpoints {
			if s.endpoints[j].here.IsValid() {
				at = j
				break
			}
		}
		if at < 0 {
			return fmt.Errorf("%s: this machine is in none of its networks (%s): attach where the engine runs, to a container that has a bridge network", s.node, strings.Join(s.networks(), ", "))
		}
		found[i].prefer(s.endpoints[at].network, s.endpoints[at].addr.Is4())
	}
	return nil
}

// in is the place in the list of an address that this machine reaches in a network;
// -1 if there is none.
func (s seen) in(network string, v4 bool) int {
	for i, e := range s.endpoints {
		if e.network == network && e.addr.Is4() == v4 && e.here.IsValid() {
			return i
		}
	}
	return -1
}

// prefer puts the address in a network first, if it is there.
func (s *seen) prefer(network string, v4 bool) {
	if i := s.in(network, v4); i > 0 {
		first := s.endpoints[i]
		copy(s.endpoints[1:i+1], s.endpoints[:i])
		s.endpoints[0] = first
	}
}

// addr is where the node is met.
func (s seen) addr() netip.Addr {
	if len(s.endpoints) == 0 {
		return netip.Addr{}
	}
	return s.endpoints[0].addr
}

// addrs are all addresses of the node.
func (s seen) addrs() []netip.Addr {
	var all []netip.Addr
	for _, e := range s.endpoints {
		all = append(all, e.addr)
	}
	return all
}

// harness are the addresses from which this machine comes to the node.
func (s seen) harness() []netip.Addr {
	var all []netip.Addr
	for _, e := range s.endpoints {
		if e.here.IsValid() {
			all = append(all, e.here)
		}
	}
	return all
}

func (s seen) networks() []string {
	var all []string
	for _, e := range s.endpoints {
		all = append(all, e.network)
	}
	return all
}
