package network

import (
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// Whatever faults come and go, exactly the union of those in effect is dropped,
// and each is counted for itself.
func TestRuleSet(t *testing.T) {
	peers := []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("fd00::1")}
	rapid.Check(t, func(t *rapid.T) {
		set, model := newRuleSet(), map[string]map[match]bool{}
		for range rapid.IntRange(0, 12).Draw(t, "steps") {
			id := rapid.SampledFrom([]string{"f1", "f2", "f3"}).Draw(t, "id")
			if rapid.Bool().Draw(t, "remove") {
				set = set.without(id)
				delete(model, id)
				continue
			}
			rule := cluster.Rule{Peer: rapid.SampledFrom(peers).Draw(t, "peer"), In: rapid.Bool().Draw(t, "in"), Out: rapid.Bool().Draw(t, "out")}
			set = set.with(id, []cluster.Rule{rule})
			if model[id] == nil {
				model[id] = map[match]bool{}
			}
			for in, on := range map[bool]bool{true: rule.In, false: rule.Out} {
				if on {
					model[id][match{rule.Peer, in}] = true
				}
			}
		}
		union, pairs := map[match]bool{}, 0
		for id, matches := range model {
			for m := range matches {
				union[m] = true
				pairs++
				if !slices.Contains(set.counters(), counted{id, m}) {
					t.Fatalf("%s does not count %v", id, m)
				}
			}
		}
		if len(set.counters()) != pairs || len(set.drops()) != len(union) {
			t.Fatalf("%d counters, want %d; %d drops, want %d", len(set.counters()), pairs, len(set.drops()), len(union))
		}
		for _, m := range set.drops() {
			if !union[m] {
				t.Fatalf("%v is dropped", m)
			}
		}
	})
	mapped := newRuleSet().with("f", []cluster.Rule{{Peer: netip.MustParseAddr("::ffff:10.0.0.1"), In: true}})
	if mapped.drops()[0].peer != peers[0] {
		t.Error("an IPv4 address in IPv6 clothes is not dropped as IPv4")
	}
	if err := newRuleSet().check("f", make([]cluster.Rule, maxRules+1)); err == nil {
		t.Error("too many rules were taken")
	}
}
