// Package faults says what a fault is: its kinds, what a plan may say of each,
// how victims are chosen, the schedule of a run, what the agents have to do and
// how one sees afterwards that it was done. It is pure: faults/engine executes
// a schedule through the agents.
package faults

import (
	"sync"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// table lists the kinds of faults. A kind is a file and a line here; what its
// Keys set has a place in Spec.
var table = sync.OnceValue(func() []Kind {
	return []Kind{killKind(), powerKind(), crashKind(), deleteKind(), rolloutKind(), drainKind(), cordonKind(), stopKind(), pauseKind(), restartKind(), partitionKind(), linkKind(), resetKind(),
		diskKind(), flipKind(), clockKind(), pressKind(), oomKind(), execKind(), doKind(),
		joinKind(), leaveKind(), replaceKind(), upgradeKind()}
})

// Spec is one entry of a plan's `faults`.
type Spec struct {
	// Scheduled: At is when, after the start of measuring.
	At time.Duration
	// For is how long it lasts; 0 is until the end of the measured phase.
	For time.Duration
	// Repeated: Every > 0 with a Kind repeats that at exactly this distance, from At
	// on, or if that is 0 from Every on: the cycles of a plan. Random: with Pick, at
	// random instants with that mean distance, each time one of Pick by equal chance;
	// Kind is empty then.
	Every time.Duration
	Pick  []Spec

	Kind   string // a name in the table
	Victim string // primary, replica, random, all, or a node's name
	Shape  string // a name among the kind's Shapes; empty for a kind without

	Process string   `json:",omitempty"` // whom it hits on an attached node: a program's name; empty: all of it
	Command []string `json:",omitempty"` // exec
	Task    string   `json:",omitempty"` // do
	To      string   `json:",omitempty"` // upgrade: a version

	Grace time.Duration `json:",omitempty"` // delete; 0: the pod's own

	Survive float64      `json:",omitempty"` // power: percent
	Sick    cluster.Sick `json:",omitzero"`  // disk; its chance is in percent here
	Bits    cluster.Bits `json:",omitzero"`  // flip

	From      string        // partition, link, reset: nodes, clients, all
	Also      []string      `json:",omitempty"` // partition isolate, one-way: what is no node, of an attached deployment
	Direction string        // partition one-way: out (default) or in, seen from the victim; link: both (default), in, out
	Link      Link          `json:",omitzero"`  // link
	By        time.Duration `json:",omitempty"` // clock: how far it jumps
	Strobe    time.Duration `json:",omitempty"` // clock: how often it jumps to and fro
	Drift     string        `json:",omitempty"` // clock: what it gains in a second, such as 100ms/s
	CPU       float64       `json:",omitempty"` // press: percent of the time that its victims may run
	Files     int           `json:",omitempty"` // press: descriptors that each process may have
}

// Planned is one fault of a schedule. Resolved victims are filled in when it
// is executed; a schedule that has them already is replayed as it is.
type Planned struct {
	ID      string        `json:"id"` // f1, f2, … in order of At
	At      time.Duration `json:"at"`
	For     time.Duration `json:"for"`
	Spec    Spec          `json:"spec"`
	Seed    uint64        `json:"seed"`              // of this fault's own random choices
	Victims []string      `json:"victims,omitempty"` // node names, once resolved
	// Entry, of a fault that was planned for a repeated entry (Every), is the
	// number of that entry in the plan, from 1; 0: the plan names its instant.
	Entry int `json:"entry,omitempty"`
}

// Kinds describes every kind of fault, in the table's order.
func Kinds() []KindInfo {
	var infos []KindInfo
	for _, k := range table() {
		infos = append(infos, k.KindInfo)
	}
	return infos
}

// Lookup finds a kind by its name. When there is none, the zero Kind is returned:
// it has no words, is no outage, and its Verify accepts any evidence.
func Lookup(name string) (Kind, bool) {
	for _, k := range table() {
		if k.Name == name {
			return k, true
		}
	}
	return Kind{}, false
}
