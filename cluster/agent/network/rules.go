package network

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// maxRules bounds the network rules of a node.
const maxRules = 4096

// match is one direction of one peer's packets.
type match struct {
	peer netip.Addr
	in   bool
}

// counted is a match on behalf of one fault.
type counted struct {
	id string
	match
}

// ruleSet holds the rules of all faults in effect. It is pure: what the kernel
// has to hold follows from it.
type ruleSet struct {
	byID    map[string][]cluster.Rule
	dropped map[string]uint64 // counted by rules that were since rebuilt
	queues  queues
}

func newRuleSet() ruleSet {
	return ruleSet{byID: map[string][]cluster.Rule{}, dropped: map[string]uint64{}}
}

// check says what is wrong with rules to be added.
func (s ruleSet) check(id string, added []cluster.Rule) error {
	if id == "" {
		return fmt.Errorf("network rules need the fault's id")
	}
	n := len(added)
	for _, rules := range s.byID {
		n += len(rules)
	}
	if n > maxRules {
		return fmt.Errorf("too many network rules in one node: %d, at most %d", n, maxRules)
	}
	for _, r := range added {
		if !r.Peer.IsValid() {
			return fmt.Errorf("network rule of %s has no peer address", id)
		}
	}
	return nil
}

// with returns the set with rules added under id.
func (s ruleSet) with(id string, added []cluster.Rule) ruleSet {
	next := s.clone()
	next.byID[id] = append(slices.Clone(next.byID[id]), added...)
	return next
}

// replaced returns the set with these rules alone under id, whose count is kept.
func (s ruleSet) replaced(id string, rules []cluster.Rule) ruleSet {
	next := s.clone()
	next.byID[id] = slices.Clone(rules)
	return next
}

// without returns the set without the rules and the count of id.
func (s ruleSet) without(id string) ruleSet {
	next := s.clone()
	delete(next.byID, id)
	delete(next.dropped, id)
	return next
}

func (s ruleSet) clone() ruleSet {
	next := newRuleSet()
	for id, rules := range s.byID {
		next.byID[id] = rules
	}
	for id, n := range s.dropped {
		next.dropped[id] = n
	}
	next.queues = s.queues
	return next
}

// empty tells whether the kernel has to hold nothing.
func (s ruleSet) empty() bool { return len(s.byID) == 0 && len(s.queues.to) == 0 }

// ids are the faults that have something in force.
func (s ruleSet) ids() []string {
	ids := slices.Collect(maps.Keys(s.byID))
	return append(ids, s.queues.ids...)
}

func (s ruleSet) has(id string) bool { _, ok := s.byID[id]; return ok }

// counters lists what has to be counted, each once, in a fixed order. Every
// fault counts what its own rules match, whoever else drops it too.
func (s ruleSet) counters() []counted {
	var list []counted
	for id, rules := range s.byID {
		for _, r := range rules {
			peer := r.Peer.Unmap().WithZone("")
			if r.In {
				list = append(list, counted{id, match{peer, true}})
			}
			if r.Out {
				list = append(list, counted{id, match{peer, false}})
			}
		}
	}
	slices.SortFunc(list, func(a, b counted) int {
		return cmp.Or(cmp.Compare(a.id, b.id), a.match.compare(b.match))
	})
	return slices.Compact(list)
}

// drops lists what has to be dropped: the union of all faults' rules.
func (s ruleSet) drops() []match {
	var list []match
	for _, c := range s.counters() {
		list = append(list, c.match)
	}
	slices.SortFunc(list, match.compare)
	return slices.Compact(list)
}

func (m match) compare(other match) int {
	if m.in != other.in {
		if m.in {
			return -1
		}
		return 1
	}
	return m.peer.Compare(other.peer)
}
