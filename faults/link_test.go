package faults

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
)

func threeNodes() Cluster {
	return Cluster{Names: []string{"n1", "n2", "n3"}, Clients: netip.MustParseAddr("10.0.0.9"),
		Addrs: []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.3")}}
}

// shaped tells what a fault does on each node: "n1: <2 20ms; n2: …", with < for what
// comes from a node, > for what goes to it.
func shaped(steps []Step) string {
	var words []string
	for _, s := range steps {
		var ends []string
		for _, l := range s.Begin.Links {
			arrow := "<"
			if l.Out {
				arrow = ">"
			}
			end := arrow + strings.TrimPrefix(l.Peer.String(), "10.0.0.")
			if l.Delay > 0 {
				end += " " + l.Delay.String()
			}
			if l.Loss > 0 {
				end += fmt.Sprintf(" %g", l.Loss)
			}
			ends = append(ends, end)
		}
		slices.Sort(ends)
		words = append(words, fmt.Sprintf("n%d: %s", s.Node+1, strings.Join(ends, ", ")))
	}
	slices.Sort(words)
	return strings.Join(words, "; ")
}

// Each direction of each link is shaped once, where its packets arrive; what clients
// are sent is held on its way to the node.
func TestLinkSteps(t *testing.T) {
	const ms = time.Millisecond
	for _, c := range []struct {
		from, direction string
		victims         []int
		link            Link
		want            string
	}{
		{"", "", []int{0}, Link{Delay: 20 * ms}, "n1: <2 20ms, <3 20ms; n2: <1 20ms; n3: <1 20ms"},
		{FromNodes, In, []int{0}, Link{Delay: 20 * ms}, "n1: <2 20ms, <3 20ms"},
		{FromNodes, Out, []int{0}, Link{Loss: 50}, "n2: <1 0.5; n3: <1 0.5"},
		{FromNodes, BothWays, []int{0, 1, 2}, Link{Loss: 50}, "n1: <2 0.5, <3 0.5; n2: <1 0.5, <3 0.5; n3: <1 0.5, <2 0.5"},
		{FromClients, BothWays, []int{1}, Link{Delay: 20 * ms, Loss: 1}, "n2: <9 20ms, <9 20ms 0.01, >9 0.01"},
		{FromClients, Out, []int{1}, Link{Delay: 20 * ms}, "n2: <9 20ms"},
		{FromAll, In, []int{1}, Link{Delay: 20 * ms}, "n2: <1 20ms, <3 20ms, <9 20ms"},
	} {
		p := Planned{Spec: Spec{Kind: "link", From: c.from, Direction: c.direction, Link: c.link}}
		steps, about := linkSteps(p, c.victims, threeNodes())
		if got := shaped(steps); got != c.want || about == "" {
			t.Errorf("%+v: %s (%s)", c, got, about)
		}
		for _, s := range steps {
			if s.Begin.Kind != cluster.Shape || s.End.Kind != cluster.Unshape {
				t.Errorf("%+v", s)
			}
		}
	}
}

func TestLinkIsRefused(t *testing.T) {
	nodes := []string{"n1", "n2"}
	for want, spec := range map[string]Spec{
		"as good as ever":                 {Kind: "link", Victim: "n1"},
		"nothing is: add loss":            {Kind: "link", Victim: "n1", Link: Link{Delay: 1, Burst: 4}},
		"at most 80% are lost":            {Kind: "link", Victim: "n1", Link: Link{Loss: 90, Burst: 4}},
		`direction is "up"`:               {Kind: "link", Victim: "n1", Direction: "up", Link: Link{Loss: 1}},
		`from is "here"`:                  {Kind: "link", Victim: "n1", From: "here", Link: Link{Loss: 1}},
		`impossible victim "n9"`:          {Kind: "link", Victim: "n9", Link: Link{Loss: 1}},
		"loss is 101%":                    {Kind: "link", Victim: "n1", Link: Link{Loss: 101}},
		"delay is 2h":                     {Kind: "link", Victim: "n1", Link: Link{Delay: 2 * time.Hour}},
		"belong to a link, not to a kill": {Kind: "kill", Victim: "n1", Link: Link{Loss: 1}},
		"a reset is over at once":         {Kind: "reset", Victim: "n1", For: s / 2},
	} {
		if err := Validate(spec, nodes, s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %s", spec, err, want)
		}
	}
	for _, spec := range []Spec{
		{Kind: "link", Victim: "all", Link: Link{Loss: 50, Burst: 4, Rate: 1e6}},
		{Kind: "link", Victim: "n1", From: "clients", Direction: In, Link: Link{Loss: 100}},
		{Kind: "reset", Victim: "primary"},
	} {
		if err := Validate(Defaults(spec), nodes, s); err != nil {
			t.Errorf("%+v: %v", spec, err)
		}
	}
}

func TestResetSteps(t *testing.T) {
	k, _ := Lookup("reset")
	steps, _ := k.Steps(Planned{Spec: Spec{Kind: "reset", From: FromClients}}, []int{2}, threeNodes())
	if len(steps) != 1 || steps[0].Node != 2 || len(steps[0].Begin.Rules) != 1 || steps[0].Begin.Rules[0].Peer != threeNodes().Clients {
		t.Errorf("%+v", steps)
	}
	if steps, _ := k.Steps(Planned{Spec: Spec{Kind: "reset"}}, []int{2}, threeNodes()); len(steps[0].Begin.Rules) != 3 {
		t.Errorf("%+v", steps)
	}
}

func TestLinksAreVerified(t *testing.T) {
	for _, c := range []struct {
		kind string
		e    Evidence
		ok   bool
		want string
	}{
		{"link", Evidence{Healed: true, Counts: map[string]uint64{"packets held": 12, "packets lost": 1}}, true, "held 12 packets and lost 1 packet"},
		{"link", Evidence{Healed: true}, false, "it touched no packet"},
		{"link", Evidence{}, false, "it was not seen to touch a packet"},
		{"reset", Evidence{Counts: map[string]uint64{"connections reset": 3}}, true, "reset 3 connections"},
		{"reset", Evidence{}, false, "it found no connection"},
	} {
		k, _ := Lookup(c.kind)
		if words, ok := k.Verify(c.e); ok != c.ok || !strings.HasPrefix(words, c.want) {
			t.Errorf("%+v: %t, %s", c, ok, words)
		}
	}
}
