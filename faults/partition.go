package faults

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/internal/units"
	"github.com/aftershock-chaos/aftershock/schema"
)

// Where a partition cuts, and which way a one-way partition does.
const (
	FromNodes   = "nodes"
	FromClients = "clients"
	FromAll     = "all"

	Out = "out"
	In  = "in"
)

// partitionKind: packets are dropped in the nodes' own networks; connections
// stay open and stall, as when a switch fails.
func partitionKind() Kind {
	k := Kind{
		KindInfo: KindInfo{Name: "partition", Victims: anyVictim(),
			About: "packets between nodes, or between nodes and clients, are dropped; connections stall"},
		Keys: []schema.Key[Spec]{
			{Field: schema.Field{Name: "from", Type: schema.Word, Words: fromAny(), Default: FromNodes,
				Meaning: "whom the victim is cut from"}, At: func(s *Spec) any { return &s.From }},
			{Field: schema.Field{Name: "direction", Type: schema.Word, Words: []string{Out, In}, Default: Out,
				Meaning: "one-way: out loses what the victim sends, in what is sent to it"}, At: func(s *Spec) any { return &s.Direction }},
			{Field: schema.Field{Name: "also", Type: schema.List, Of: schema.Text, Max: 64, Absent: "nodes and clients alone", Example: "[etcd1, etcd2, etcd3]",
				Meaning: "isolate and one-way, attached deployments: services or containers that are no nodes, from which the victim is cut as well"},
				At: func(s *Spec) any { return &s.Also }},
		},
		Done:     "partitioned",
		Outage:   true,
		Steps:    partitionSteps,
		Does:     []cluster.ActionKind{cluster.Block, cluster.Unblock},
		fill:     fillPartition,
		validate: validatePartition,
		choose:   choosePartition,
		verify:   verifyPartition,
		brief:    briefPartition,
	}
	for _, s := range shapes() {
		k.Shapes = append(k.Shapes, s.info)
	}
	return k
}

// partitionSteps block on each node what the shape cuts there.
func partitionSteps(p Planned, victims []int, c Cluster) ([]Step, string) {
	g := partitionGraph(p, victims, len(c.Names))
	var steps []Step
	for node, rules := range g.Rules(c.Addrs, c.Clients) {
		if slices.Contains(victims, node) {
			rules = append(rules, alsoRules(p.Spec, c.Also)...)
		}
		if len(rules) > 0 {
			steps = append(steps, Step{Node: node, Begin: cluster.Action{Kind: cluster.Block, Rules: rules}, End: cluster.Action{Kind: cluster.Unblock}})
		}
	}
	about := g.Describe(c.Names)
	if len(p.Spec.Also) > 0 {
		about = strings.TrimPrefix(about+", and from "+list(p.Spec.Also), ", and ")
	}
	return steps, about
}

// alsoRules cut a victim from what is no node.
func alsoRules(s Spec, also []netip.Addr) []cluster.Rule {
	var rules []cluster.Rule
	oneWay := s.Direction != ""
	for _, addr := range also {
		rules = append(rules, cluster.Rule{Peer: addr, In: !oneWay || s.Direction == In, Out: !oneWay || s.Direction == Out})
	}
	return rules
}

func partitionGraph(p Planned, victims []int, nodes int) Graph {
	g := NewGraph(nodes)
	if s, ok := findShape(p.Spec.Shape); ok {
		s.cut(&g, p.Spec, victims, permutation(p.Seed, streamMembers, nodes))
	}
	return g
}

// fillPartition spells out what the shape takes when nothing is said.
func fillPartition(s *Spec) {
	shape, ok := findShape(s.Shape)
	if !ok {
		return
	}
	if shape.info.Optional {
		orFirst(&s.Victim, shape.info.Victims)
	}
	orFirst(&s.From, shape.info.From)
	orFirst(&s.Direction, shape.info.Directions)
}

// orFirst sets an empty word to the first of some words, if there is one.
func orFirst(word *string, words []string) {
	if *word == "" && len(words) > 0 {
		*word = words[0]
	}
}

func validatePartition(spec Spec, nodes []string) error {
	s, _ := findShape(spec.Shape)
	needed := s.info.MinNodes
	if spec.From == FromClients {
		needed = 1
	}
	switch {
	case spec.From != "" && !slices.Contains(s.info.From, spec.From):
		return fmt.Errorf("from is %q; %s allows %s", spec.From, spec.Shape, strings.Join(s.info.From, ", "))
	case spec.Direction != "" && s.info.Directions == nil:
		return fmt.Errorf("direction is for one-way, not for %s: leave it out", spec.Shape)
	case spec.Direction != "" && !slices.Contains(s.info.Directions, spec.Direction):
		return fmt.Errorf("direction is %q; use %s", spec.Direction, strings.Join(s.info.Directions, " or "))
	case len(nodes) < needed:
		return fmt.Errorf("%s needs at least %d nodes and there are %d: raise target.replicas to %d", spec.Shape, needed, len(nodes), needed-1)
	case len(spec.Also) > 0 && spec.Shape != "isolate" && spec.Shape != "one-way":
		return fmt.Errorf("also is for isolate and one-way, not for %s: leave it out", spec.Shape)
	case spec.Victim == "" && s.info.Optional:
		return nil
	case s.info.Everyone && !slices.Contains(s.info.Victims, spec.Victim):
		return fmt.Errorf("victim is %q, but a %s is made of all nodes: use all", spec.Victim, spec.Shape)
	}
	return validateVictim(spec.Victim, s.info.Victims, nodes)
}

// choosePartition takes the shape's victim where none is named, and for halves
// the whole side.
func choosePartition(p Planned, view View, choose chooser) ([]int, error) {
	s, _ := findShape(p.Spec.Shape)
	victim := p.Spec.Victim
	switch {
	case s.info.Everyone:
		victim = All
	case victim == "" && s.info.Optional:
		victim = s.info.Victims[0]
	}
	victims, err := choose(victim)
	if err != nil || s.side == nil {
		return victims, err
	}
	return s.side(victims, view.members(permutation(p.Seed, streamMembers, len(view.Nodes)))), nil
}

// verifyPartition wants packets to have been dropped.
func verifyPartition(e Evidence) (string, bool) {
	switch {
	case e.Dropped > 0:
		return "dropped " + units.Plural(int(min(e.Dropped, 1<<53)), "packet", "packets"), true
	case e.Healed:
		return "it dropped no packet, so nobody can have noticed it; have it last longer (for), or cut off nodes that talk to each other", false
	default:
		return "it was not seen to drop a packet: its heal was not recorded; see harness.log in the run's folder", false
	}
}

// briefPartition: to be isolated is to be partitioned.
func briefPartition(title string) string {
	if strings.HasPrefix(title, "partition isolate") {
		return strings.TrimPrefix(title, "partition ")
	}
	return title
}

// shape is one row of the table of shapes.
type shape struct {
	info ShapeInfo
	// cut removes from a whole graph what the shape loses. order is a seeded
	// permutation of the nodes.
	cut func(g *Graph, spec Spec, victims, order []int)
	// side makes the victims resolved so far one whole side; nil: they stay.
	side func(victims, order []int) []int
}

func shapes() []shape {
	return []shape{isolateShape(), halvesShape(), bridgeShape(), majorityRingShape(), oneWayShape()}
}

func findShape(name string) (shape, bool) {
	for _, s := range shapes() {
		if s.info.Name == name {
			return s, true
		}
	}
	return shape{}, false
}

func fromAny() []string { return []string{FromNodes, FromClients, FromAll} }

// isolateShape: each victim is alone, cut from every other node, victims too.
func isolateShape() shape {
	return shape{
		info: ShapeInfo{Name: "isolate", MinNodes: 2, Victims: anyVictim(), From: fromAny(),
			About: "each victim is cut from all other nodes, from clients, or from both"},
		cut: func(g *Graph, spec Spec, victims, _ []int) {
			for _, v := range victims {
				for _, peer := range g.peers(v, spec.From) {
					g.Cut(v, peer)
					g.Cut(peer, v)
				}
			}
		},
	}
}

// halvesShape: the victim's side has n/2 nodes rounded down, so that of an odd
// number the victim is in the minority; its companions are chosen by the seed.
func halvesShape() shape {
	return shape{
		info: ShapeInfo{Name: "halves", MinNodes: 2, Victims: []string{Random, Primary, Replica}, Optional: true, From: []string{FromNodes},
			About: "two halves that do not see each other; the victim is in the smaller one, its companions are random"},
		cut: func(g *Graph, _ Spec, victims, _ []int) {
			split(g, victims, without(g.Nodes(), victims))
		},
		side: func(victims, order []int) []int {
			rest := without(order, victims)
			return append(victims, rest[:max(0, len(order)/2-len(victims))]...)
		},
	}
}

// bridgeShape: the others form two halves by the seed, of an odd number the
// first is the smaller; each sees the bridge and its own half.
func bridgeShape() shape {
	return shape{
		info: ShapeInfo{Name: "bridge", MinNodes: 3, Victims: []string{Random, Primary, Replica}, Optional: true, From: []string{FromNodes},
			About: "two halves that see each other only through the victim"},
		cut: func(g *Graph, _ Spec, victims, order []int) {
			rest := without(order, victims)
			split(g, rest[:len(rest)/2], rest[len(rest)/2:])
		},
	}
}

// majorityRingShape is Jepsen's majorities-ring: the nodes stand in a seeded
// ring and each sees as many neighbours on either side as a majority of all
// (itself included) needs. A majority of n is n/2+1, so that is (n/2+1)/2
// neighbours a side, and a window of 2·((n/2+1)/2)+1 nodes. Windows around
// different nodes differ if they are smaller than the ring: from 4 nodes on.
func majorityRingShape() shape {
	return shape{
		info: ShapeInfo{Name: "majority-ring", MinNodes: 4, Victims: []string{All, Random}, Optional: true, Everyone: true, From: []string{FromNodes},
			About: "every node sees a majority, but no two the same one"},
		cut: func(g *Graph, _ Spec, _, order []int) {
			n := len(order)
			reach := (n/2 + 1) / 2
			for i := range n {
				for j := range n {
					if distance := (j - i + n) % n; min(distance, n-distance) > reach {
						g.Cut(order[i], order[j])
					}
				}
			}
		},
	}
}

// oneWayShape: the victim is heard but does not hear, or the reverse.
func oneWayShape() shape {
	return shape{
		info: ShapeInfo{Name: "one-way", MinNodes: 2, Victims: anyVictim(), From: fromAny(), Directions: []string{Out, In},
			About: "what the victim sends is lost (out), or what is sent to it (in)"},
		cut: func(g *Graph, spec Spec, victims, _ []int) {
			for _, v := range victims {
				for _, peer := range g.peers(v, spec.From) {
					if spec.Direction == In {
						g.Cut(peer, v)
					} else {
						g.Cut(v, peer)
					}
				}
			}
		},
	}
}
