package faults

import (
	"net/netip"
	"slices"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/schema"
)

// KindInfo describes a kind of fault for `aftershock list faults` and for
// validation.
type KindInfo struct {
	Name    string
	About   string      // one line
	Victims []string    // the words; a node's name is always allowed
	Shapes  []ShapeInfo // nil: the kind has none
}

// ShapeInfo describes one shape of a kind.
type ShapeInfo struct {
	Name       string
	About      string   // one line
	MinNodes   int      // fewer cannot take this shape
	Victims    []string // the words; the first is the default if Optional
	Optional   bool     // the victim may be left out
	From       []string // the allowed words, the first is the default
	Directions []string // likewise; nil: the shape has none
	Everyone   bool     `json:"-"` // it is made of all nodes: no single one can be the victim
}

// The words for victims.
const (
	Primary = "primary"
	Replica = "replica"
	Random  = "random"
	All     = "all"
	Spare   = "spare" // a node that does not belong to the cluster now
)

// anyVictim are the words for the victims of a fault that can hit any node.
func anyVictim() []string { return []string{Primary, Replica, Random, All} }

// Kind is all that anyone needs to know of a kind of fault; no other code
// tells kinds apart by their names.
type Kind struct {
	KindInfo

	// In a plan a kind is a key of the fault. Its value is the victim alone,
	// or, for a kind with Shapes or Keys, a map: of a shape to its victim, or
	// of the word victim to it, and of Keys.
	Keys []schema.Key[Spec]

	// Done is what it did to its victims, after "was" or "were": "killed".
	Done string
	// Outage: its victims do not serve while it lasts, so that a primary among
	// them may be replaced. A failover is measured from such a fault.
	Outage bool

	// How it is executed: a fault of processes has a Hold, another has Steps.
	//
	// Hold is the state that it keeps its victims in, and Enter is the action
	// that brings a victim into it.
	Hold  Hold
	Enter cluster.Action
	// Steps are what the agents do, also those of nodes that are no victims,
	// together with a description for people.
	Steps func(p Planned, victims []int, c Cluster) ([]Step, string)
	// Instant: without For it is undone on each node as soon as it took effect
	// there; a fault of another kind lasts until the end of the measured phase.
	Instant bool
	// Anywhere: it needs no guest beside the server of a deployment that somebody
	// else runs.
	Anywhere bool
	// Platform: it is for pods of a deployment that somebody else runs, and nothing else.
	Platform bool
	// There makes of it what it is on deployments that somebody else runs, where that
	// is another thing; nil: it is the same.
	There func(Kind) Kind
	// Starts: that a server runs again which had ended by itself is an effect.
	Starts bool
	// Process: it can hit one process of an attached node.
	Process bool
	// Does are the kinds of actions by which Steps put it into effect and undo it.
	Does []cluster.ActionKind
	// Members is the change of the cluster's members by which Steps, or the end of a
	// Hold, put it into effect, which the target has to know how to do: Join or Leave;
	// empty: it changes none.
	Members cluster.ActionKind
	// Joins: its victims are nodes that do not belong to the cluster.
	Joins bool
	// Replaces: its Steps have servers replaced by those of another version, Spec.To, which
	// the target has to know how to do.
	Replaces bool
	// Needs adds to what the nodes have to be launched with for a fault of this
	// kind; nil: nothing.
	Needs func(s Spec, n *cluster.Needs)
	// VictimKey is the key of the victim in a plan's map; empty: "of".
	VictimKey string
	// Alone is the key whose value can stand alone, in place of the map: VictimKey, or
	// one of Keys; empty: none.
	Alone string
	// Usual is the victim where the plan names none; empty: it has to.
	Usual string

	// The kind's own part of the package's functions; nil where it has none.
	enter    func(Spec, cluster.Action) cluster.Action            // EnterOf
	fill     func(s *Spec)                                        // Defaults; nil: those of Keys
	validate func(s Spec, nodes []string) error                   // Validate: what shape, victim and Keys can be together
	choose   func(p Planned, view View, c chooser) ([]int, error) // Resolve
	verify   func(Evidence) (string, bool)                        // Verify
	brief    func(title string) string                            // Brief
}

// Hold is a state that faults of processes keep nodes in. They compose: a node
// leaves it when the last of them ends.
type Hold uint8

const (
	NoHold Hold = iota
	Down        // no server runs; the node leaves it by a start
	Paused      // the server stands still; the node leaves it by a resume
)

// Cluster is what Steps are made for: the nodes by their numbers, and where
// the clients' packets come from.
type Cluster struct {
	Names   []string
	Addrs   []netip.Addr
	Clients netip.Addr
	Also    []netip.Addr // of what Spec.Also names
}

// Step is what a fault does on one node; a fault has at most one for each. The
// engine adds the fault's id and
// the instants; the agent tells faults apart by the id, so that they compose.
type Step struct {
	Node       int
	Begin, End cluster.Action
}

// Evidence is what a run recorded of the effect of one fault, beyond that the
// agents have acted.
type Evidence struct {
	Healed  bool   // its end was recorded, and with it what was counted
	Dropped uint64 // packets, by its rules
	// Counts is what the agents have counted of it, by their words.
	Counts map[string]uint64
}

// AddCounts adds what was counted elsewhere, by its words.
func AddCounts(to, more map[string]uint64) map[string]uint64 {
	for words, n := range more {
		if to == nil {
			to = map[string]uint64{}
		}
		to[words] += n
	}
	return to
}

// On is the kind as it is on nodes that the plan launches, or on those of a
// deployment that somebody else runs.
func (k Kind) On(attached bool) Kind {
	if attached && k.There != nil {
		return k.There(k)
	}
	return k
}

// EnterOf is Enter for a fault of the kind.
func (k Kind) EnterOf(s Spec) cluster.Action {
	if k.enter == nil {
		return k.Enter
	}
	return k.enter(s, k.Enter)
}

// Actions are the kinds of actions by which it is put into effect and undone.
func (k Kind) Actions() []cluster.ActionKind {
	switch {
	case k.Anywhere:
		return nil
	case k.Steps != nil:
		return k.Does
	case k.Hold == Paused:
		return []cluster.ActionKind{k.Enter.Kind, cluster.Resume}
	}
	return []cluster.ActionKind{k.Enter.Kind, cluster.Restart}
}

// Actions are the kinds of actions that a schedule asks of the nodes, in order;
// attached: of those of a deployment that somebody else runs.
func Actions(schedule []Planned, attached bool) []cluster.ActionKind {
	var all []cluster.ActionKind
	for _, p := range schedule {
		kind, _ := Lookup(p.Spec.Kind)
		all = append(all, kind.On(attached).Actions()...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Asks tells whether faults of a plan for a deployment that somebody else runs need an
// action of a kind.
func Asks(specs []Spec, action cluster.ActionKind) bool {
	return slices.ContainsFunc(specs, func(s Spec) bool {
		k, _ := Lookup(s.Kind)
		return slices.Contains(k.On(true).Actions(), action) || Asks(s.Pick, action)
	})
}

// NeedsOf is what nodes have to be launched with for a plan's faults.
func NeedsOf(specs []Spec) (n cluster.Needs) {
	for _, s := range specs {
		for _, one := range append(s.Pick, s) {
			if k, _ := Lookup(one.Kind); k.Needs != nil {
				k.Needs(one, &n)
			}
		}
	}
	return n
}

// Verify tells whether the evidence shows an effect that someone can have
// noticed: if so, the words, which may be empty, say what it did; else why not.
func (k Kind) Verify(e Evidence) (words string, ok bool) {
	if k.verify == nil {
		return "", true // that the agents have acted is enough
	}
	return k.verify(e)
}

// Brief is the title of a fault of this kind without words that go without
// saying, for narrow tables.
func (k Kind) Brief(title string) string {
	if k.brief == nil {
		return title
	}
	return k.brief(title)
}
