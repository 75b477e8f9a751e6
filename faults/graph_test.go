package faults

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/aftershock-chaos/aftershock/cluster"
	"pgregory.net/rapid"
)

func addresses(n int) (nodes []netip.Addr, clients netip.Addr) {
	for i := range n {
		nodes = append(nodes, netip.AddrFrom4([4]byte{10, 0, 0, byte(10 + i)}))
	}
	return nodes, netip.AddrFrom4([4]byte{10, 0, 0, 1})
}

// passes tells whether a packet passes the rules of those nodes whose agents
// have acted already.
func passes(rules [][]cluster.Rule, from, to int, acted func(int) bool) bool {
	nodes, clients := addresses(len(rules))
	all := append(nodes, clients)
	drops := func(at, peer int, out bool) bool {
		return at < len(rules) && acted(at) && slices.ContainsFunc(rules[at], func(r cluster.Rule) bool {
			return r.Peer == all[peer] && (out && r.Out || !out && r.In)
		})
	}
	return !drops(from, to, true) && !drops(to, from, false)
}

func everybody(int) bool { return true }

// drawn is one random partition and what its rules let pass.
type drawn struct {
	spec    Spec
	n       int
	victims []int
	rules   [][]cluster.Rule
	graph   Graph
}

func (d *drawn) sees(from, to int) bool { return passes(d.rules, from, to, everybody) }

func draw(t *rapid.T, s shape) *drawn {
	d := &drawn{spec: Spec{Kind: "partition", Shape: s.info.Name}, n: rapid.IntRange(max(2, s.info.MinNodes), 9).Draw(t, "n")}
	d.spec.From = rapid.SampledFrom(append(s.info.From, "")).Draw(t, "from")
	d.spec.Victim = rapid.SampledFrom(s.info.Victims).Draw(t, "victim")
	if s.info.Directions != nil {
		d.spec.Direction = rapid.SampledFrom(append(s.info.Directions, "")).Draw(t, "direction")
	}
	p := Planned{Spec: d.spec, Seed: rapid.Uint64().Draw(t, "seed")}
	view := View{Nodes: make([]NodeView, d.n)}
	for i := range view.Nodes {
		view.Nodes[i] = NodeView{Name: fmt.Sprint("n", i), Role: Replica, Alive: true}
	}
	view.Nodes[rapid.IntRange(0, d.n-1).Draw(t, "primary")].Role = Primary
	var err error
	if d.victims, err = Resolve(p, view); err != nil {
		t.Fatal(err)
	}
	d.graph = partitionGraph(p, d.victims, d.n)
	d.rules = d.graph.Rules(addresses(d.n))
	return d
}

// intended says what each shape is meant to be, in another way than the code.
var intended = map[string]func(t *rapid.T, d *drawn){
	"isolate": func(t *rapid.T, d *drawn) {
		d.compare(t, func(from, to int) bool {
			victim := slices.Contains(d.victims, from) || slices.Contains(d.victims, to)
			return !victim || !d.concerns(from, to)
		})
	},
	"one-way": func(t *rapid.T, d *drawn) {
		d.compare(t, func(from, to int) bool {
			end := from
			if d.spec.Direction == "in" {
				end = to
			}
			return !slices.Contains(d.victims, end) || !d.concerns(from, to)
		})
	},
	"halves": func(t *rapid.T, d *drawn) {
		if len(d.victims) != d.n/2 {
			t.Fatalf("the victim's side has %d of %d nodes", len(d.victims), d.n)
		}
		d.compare(t, func(from, to int) bool {
			return max(from, to) == d.n || slices.Contains(d.victims, from) == slices.Contains(d.victims, to)
		})
	},
	"bridge": func(t *rapid.T, d *drawn) {
		bridge := d.victims[0]
		half := make([]int, d.n) // the size of the half that each node sees
		for i := range d.n {
			for j := range d.n {
				if d.sees(i, j) != d.sees(j, i) || (i == bridge || j == bridge) && !d.sees(i, j) {
					t.Fatalf("%d and %d: not both ways, or the bridge %d is cut", i, j, bridge)
				}
				if i != bridge && j != bridge && d.sees(i, j) {
					half[i]++
				}
				for k := range d.n {
					if i != bridge && j != bridge && k != bridge && d.sees(i, j) && d.sees(j, k) && !d.sees(i, k) {
						t.Fatalf("%d sees %d through %d only", i, k, j)
					}
				}
			}
			if small := (d.n - 1) / 2; i != bridge && half[i] != small && half[i] != d.n-1-small {
				t.Fatalf("node %d of %d is in a half of %d", i, d.n, half[i])
			}
		}
		d.clientsSee(t)
	},
	"majority-ring": func(t *rapid.T, d *drawn) {
		seen := map[string]int{}
		for i := range d.n {
			var all []int
			for j := range d.n {
				if d.sees(i, j) != d.sees(j, i) {
					t.Fatalf("%d and %d: not both ways", i, j)
				}
				if d.sees(i, j) {
					all = append(all, j)
				}
			}
			if len(all) <= d.n/2 {
				t.Fatalf("node %d of %d sees only %v", i, d.n, all)
			}
			if other, twice := seen[fmt.Sprint(all)]; twice {
				t.Fatalf("nodes %d and %d both see %v", other, i, all)
			}
			seen[fmt.Sprint(all)] = i
		}
		d.clientsSee(t)
	},
}

// concerns tells whether `from` speaks of the link.
func (d *drawn) concerns(a, b int) bool {
	if clients := max(a, b) == d.n; clients {
		return d.spec.From == "clients" || d.spec.From == "all"
	}
	return d.spec.From != "clients"
}

func (d *drawn) compare(t *rapid.T, want func(from, to int) bool) {
	for i := range d.n + 1 {
		for j := range d.n + 1 {
			if i != j && d.sees(i, j) != want(i, j) {
				t.Fatalf("%+v, victims %v of %d: %d reaches %d is %v", d.spec, d.victims, d.n, i, j, d.sees(i, j))
			}
		}
	}
}

func (d *drawn) clientsSee(t *rapid.T) {
	for i := range d.n {
		if !d.sees(i, d.n) || !d.sees(d.n, i) {
			t.Fatalf("clients are cut from node %d", i)
		}
	}
}

func TestShapesAreWhatTheySay(t *testing.T) {
	for _, s := range shapes() {
		t.Run(s.info.Name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				d := draw(t, s)
				intended[s.info.Name](t, d)
				// Either end's agent alone is enough between nodes.
				for i := range d.n {
					for j := range d.n {
						if i == j {
							continue
						}
						sender := passes(d.rules, i, j, func(at int) bool { return at == i })
						receiver := passes(d.rules, i, j, func(at int) bool { return at == j })
						if sender != d.sees(i, j) || receiver != d.sees(i, j) {
							t.Fatalf("%d to %d: the sender's agent alone lets pass: %v, the receiver's: %v", i, j, sender, receiver)
						}
					}
				}
			})
		})
	}
}

func TestDescribe(t *testing.T) {
	g := NewGraph(3)
	for _, cut := range [][2]int{{0, 1}, {1, 0}, {0, 3}, {3, 0}, {2, 0}, {2, 1}} {
		g.Cut(cut[0], cut[1])
	}
	if got, want := g.Describe([]string{"n1", "n2", "n3"}), "n1 x n2 clients, n3 x> n1 n2"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
