// Package faults holds the kinds of faults, how victims are chosen, the
// schedule of a run and the engine that executes it through the agents.
package faults

import "time"

// Spec is one entry of a plan's `faults`.
type Spec struct {
	Line int // of the plan file, for messages; 0 if unknown

	// Scheduled: At is when, after the start of measuring.
	At time.Duration
	// For is how long it lasts; 0 is until the end of the measured phase.
	For time.Duration
	// Random: Every > 0 repeats at random instants with that mean distance,
	// each time one of Pick by equal chance; Kind is empty then.
	Every time.Duration
	Pick  []Spec

	Kind   string // kill, stop, pause, restart, partition
	Victim string // primary, replica, random, all, or a node's name

	// Partition only.
	Shape     string // isolate, halves, bridge, majority-ring, one-way
	From      string // nodes (default), clients, all
	Direction string // one-way: out (default) or in, seen from the victim
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
}
