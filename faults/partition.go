package faults

// partitionKind: packets are dropped in the nodes' own networks; connections
// stay open and stall, as when a switch fails.
func partitionKind() kind {
	k := kind{
		info: KindInfo{Name: "partition", Victims: anyVictim(),
			About: "packets between nodes, or between nodes and clients, are dropped; connections stall"},
		draw: func(p Planned, victims []int, nodes int) Graph {
			g := NewGraph(nodes)
			if s, ok := findShape(p.Spec.Shape); ok {
				s.cut(&g, p.Spec, victims, permutation(p.Seed, streamMembers, nodes))
			}
			return g
		},
	}
	for _, s := range shapes() {
		k.info.Shapes = append(k.info.Shapes, s.info)
	}
	return k
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
		info: ShapeInfo{Name: "majority-ring", MinNodes: 4, Victims: []string{All, Random}, Optional: true, From: []string{FromNodes},
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
