package faults

import (
	"net/netip"
	"testing"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// TestSpread: a client that is cut off is cut off wherever its packets come from, and no
// node is.
func TestSpread(t *testing.T) {
	addr := netip.MustParseAddr
	clients, others := addr("10.0.0.1"), []netip.Addr{addr("10.0.0.20"), addr("10.0.0.21")}
	a := cluster.Action{Rules: []cluster.Rule{{Peer: addr("10.0.0.11"), In: true}, {Peer: clients, In: true, Out: true}}, Links: []cluster.Link{{Peer: clients, Loss: 0.5}}}
	got := Spread(a, clients, others)
	if len(got.Rules) != 4 || len(got.Links) != 3 || len(a.Rules) != 2 || len(a.Links) != 1 {
		t.Fatalf("%+v", got)
	}
	for i, want := range others {
		if r := got.Rules[2+i]; r != (cluster.Rule{Peer: want, In: true, Out: true}) {
			t.Errorf("rule %+v", r)
		}
		if l := got.Links[1+i]; l.Peer != want || l.Loss != 0.5 {
			t.Errorf("link %+v", l)
		}
	}
	if same := Spread(a, clients, nil); len(same.Rules) != 2 {
		t.Errorf("%+v", same)
	}
}
