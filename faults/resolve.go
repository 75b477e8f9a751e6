package faults

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
)

// ErrNoVictim is wrapped by Resolve's errors when no node fits now; a moment
// later one may.
var ErrNoVictim = errors.New("no victim")

// View is what is known of the cluster at one moment.
type View struct{ Nodes []NodeView }

// NodeView is one node in a View.
type NodeView struct {
	Name  string
	Role  string // primary, replica, or empty: unknown
	Epoch uint64 // of the role; 0 where the system has none
	Alive bool   // it answers
	Away  bool   // it does not belong to the cluster now
}

// Streams of one fault's seed.
const (
	streamVictim  = 1
	streamMembers = 2
)

// permutation of 0..n-1 by one stream of a fault's seed.
func permutation(seed, stream uint64, n int) []int {
	return rand.New(rand.NewPCG(seed, stream)).Perm(n)
}

// Resolve chooses the victims of p as indexes into view: the primary is the one
// of the greatest epoch, a replica or a random node is a living one by the
// fault's seed, and for halves the whole side is meant. Victims that p has
// already are taken as they are. The same p and view give the same victims.
func Resolve(p Planned, view View) ([]int, error) {
	k, _ := Lookup(p.Spec.Kind)
	victims, err := resolve(p, k, view)
	if err != nil {
		return nil, err
	}
	for _, i := range victims {
		switch n := view.Nodes[i]; {
		case k.Joins && !n.Away:
			return nil, fmt.Errorf("%s is a member of the cluster already: join a spare node (target.spares), or have it leave before", n.Name)
		case !k.Joins && n.Away:
			return nil, fmt.Errorf("%s is no member of the cluster at that time: have it join before, or choose another victim", n.Name)
		}
	}
	return victims, nil
}

func resolve(p Planned, k Kind, view View) ([]int, error) {
	if len(p.Victims) > 0 {
		return indexes(p.Victims, view)
	}
	order := permutation(p.Seed, streamVictim, len(view.Nodes))
	choose := func(victim string) ([]int, error) { return nodesOf(victim, order, view) }
	if k.choose != nil {
		return k.choose(p, view, choose)
	}
	return choose(p.Spec.Victim)
}

// members are the nodes that belong to the cluster, in an order.
func (v View) members(order []int) []int {
	return slices.DeleteFunc(slices.Clone(order), func(i int) bool { return v.Nodes[i].Away })
}

// chooser finds the nodes that a victim's word means now.
type chooser func(victim string) ([]int, error)

// nodesOf finds the nodes that a victim's word means; order decides among many.
func nodesOf(word string, order []int, view View) ([]int, error) {
	primary := -1
	for i, node := range view.Nodes {
		if node.Role == Primary && !node.Away && (primary < 0 || node.Epoch > view.Nodes[primary].Epoch) {
			primary = i
		}
	}
	first := func(fits func(int) bool) ([]int, error) {
		if at := slices.IndexFunc(order, fits); at >= 0 {
			return order[at : at+1 : at+1], nil
		}
		if word == Spare {
			return nil, errors.New("every node is a member of the cluster now: raise target.spares")
		}
		return nil, fmt.Errorf("%w: no %s node answers now", ErrNoVictim, word)
	}
	switch word {
	case All:
		g := NewGraph(len(view.Nodes))
		return view.members(g.Nodes()), nil
	case Spare:
		return first(func(i int) bool { return view.Nodes[i].Away })
	case Primary:
		if primary < 0 {
			return nil, fmt.Errorf("%w: no node says that it is the primary now", ErrNoVictim)
		}
		return []int{primary}, nil
	case Replica:
		return first(func(i int) bool { return i != primary && view.Nodes[i].Alive && !view.Nodes[i].Away })
	case Random:
		return first(func(i int) bool { return view.Nodes[i].Alive && !view.Nodes[i].Away })
	default:
		return indexes([]string{word}, view)
	}
}

// indexes finds nodes by name, each once.
func indexes(names []string, view View) ([]int, error) {
	var all []int
	for _, name := range names {
		i := slices.IndexFunc(view.Nodes, func(n NodeView) bool { return n.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("no node is named %q", name)
		}
		if !slices.Contains(all, i) {
			all = append(all, i)
		}
	}
	return all, nil
}
