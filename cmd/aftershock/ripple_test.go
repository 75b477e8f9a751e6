package main

import (
	"net/netip"
	"testing"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/targets"
	"github.com/aftershock-chaos/aftershock/targets/ripple"
)

// TestRippleUnderstandsItsTarget: the command has the flags that the target
// starts its servers with.
func TestRippleUnderstandsItsTarget(t *testing.T) {
	s, err := ripple.Target{}.Configure(targets.Config{Replicas: 1, Seed: 3, Options: map[string]string{"bug": "drop-acked,stale-primary", "bug_n": "9", "replay_cost": "200us", "replication": "sync"}})
	if err != nil {
		t.Fatal(err)
	}
	nodes := []*cluster.Node{
		{Name: "n1", Addr: netip.MustParseAddr("10.0.0.1")}, {Name: "n2", Addr: netip.MustParseAddr("fd00::2")},
	}
	spec := s.Server(nodes, 0)
	if spec.Command[0] != cluster.Self || spec.Command[1] != "ripple" {
		t.Fatal(spec.Command)
	}
	c := rippleCommand()
	if err := c.ParseFlags(spec.Command[2:]); err != nil {
		t.Fatal(err)
	}
	for flag, want := range map[string]string{"name": "n1", "peer": "[n2=[fd00::2]:6399]", "bug": "[drop-acked,stale-primary]",
		"bug-n": "9", "replay-cost": "200µs", "replication": "sync", "data": cluster.DataDir, "seed": "3"} {
		if got := c.Flag(flag).Value.String(); got != want {
			t.Errorf("--%s is %s, not %s", flag, got, want)
		}
	}
}

func TestRipplePeers(t *testing.T) {
	if peers, err := parsePeers([]string{"n2=127.0.0.1:1", "n3=[::1]:2"}); err != nil || peers["n3"] != "[::1]:2" {
		t.Errorf("%v, %v", peers, err)
	}
	for _, wrong := range [][]string{{"n2"}, {"n2=a:1", "n2=a:2"}} {
		if peers, err := parsePeers(wrong); err == nil {
			t.Errorf("%q is %v", wrong, peers)
		}
	}
}
