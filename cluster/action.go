package cluster

import (
	"net/netip"
	"time"
)

// ActionKind names what an agent can do.
type ActionKind string

const (
	Kill     ActionKind = "kill"     // SIGKILL to every other process of the node; of a container, by its engine: it stays down until started
	Crash    ActionKind = "crash"    // attached nodes: Process ends as if by itself, so that whoever supervises it there may start it again
	Delete   ActionKind = "delete"   // attached pods: the pod is deleted, after Grace or, if that is 0, its own; its platform makes it anew
	Rollout  ActionKind = "rollout"  // attached StatefulSets: all pods are replaced in turn, done when the node's own was
	Cordon   ActionKind = "cordon"   // attached pods: the machine of the pod takes no new ones
	Drain    ActionKind = "drain"    // likewise, and what pods of the deployment are on it are evicted
	Uncordon ActionKind = "uncordon" // undo Cordon and Drain of ID
	Stop     ActionKind = "stop"     // the server's StopSignal, SIGKILL after Grace
	Pause    ActionKind = "pause"    // SIGSTOP to every other process of the node
	Resume   ActionKind = "resume"   // SIGCONT to every other process of the node
	Restart  ActionKind = "restart"  // start the last ServerSpec again (after Kill or Stop)
	Block    ActionKind = "block"    // add network rules under ID
	Unblock  ActionKind = "unblock"  // remove the network rules of ID
	Exec     ActionKind = "exec"     // run Command; no agent does it, but Control.Run
	Power    ActionKind = "power"    // the node's machine loses its power: SIGKILL to every other process, and what is not synced is gone, see Loss; Restart ends it
	Age      ActionKind = "age"      // what was written on the node's volume so far is on its disk, as it is in half a minute where nobody syncs
	Flip     ActionKind = "flip"     // flip bits of files at rest, see Bits
	Reset    ActionKind = "reset"    // end established connections with a RST, of those that Rules name
	Shape    ActionKind = "shape"    // put Links on the node's packets under ID
	Unshape  ActionKind = "unshape"  // take the Links of ID away
	Disk     ActionKind = "disk"     // put Sick on the node's file system calls under ID
	Undisk   ActionKind = "undisk"   // take the Sick of ID away
	Skew     ActionKind = "skew"     // shift the clock of the node's processes by Clock under ID
	Unskew   ActionKind = "unskew"   // give them the true time again
	Press    ActionKind = "press"    // take a resource from the node's processes, see Squeeze, under ID
	Unpress  ActionKind = "unpress"  // give it back
	Wipe     ActionKind = "wipe"     // Kill, and the data directory is emptied: the node's machine is replaced by a new one

	// These no agent does, but the target: it knows how who belongs to its cluster is
	// changed, and how its nodes are looked after.
	Join  ActionKind = "join"  // the node, with an empty data directory, becomes a member
	Leave ActionKind = "leave" // the node is no member any more, and its server stops
	Do    ActionKind = "do"    // the node does Task, whatever that is in its target

	// Nor this: the harness has the node's server replaced, as its target says how.
	Upgrade ActionKind = "upgrade" // the node's server is replaced by that of another version, To, on the same data
)

// Rule drops packets between this node and a peer.
type Rule struct {
	Peer netip.Addr `json:"peer"`
	In   bool       `json:"in"`  // drop what comes from the peer
	Out  bool       `json:"out"` // drop what goes to the peer
}

// Action is one thing for one agent to do at one instant.
type Action struct {
	Kind  ActionKind    `json:"kind"`
	ID    string        `json:"id,omitempty"` // the fault's id; Block and Unblock compose by it
	At    time.Time     `json:"-"`            // harness clock; zero or past means at once
	Rules []Rule        `json:"rules,omitempty"`
	Grace time.Duration `json:"grace,omitempty"` // Stop, Delete, Drain
	// Process is whom it hits on an attached node: a program's name, or empty for
	// all of the node.
	Process string `json:"process,omitempty"`

	Loss    *Loss    `json:"loss,omitempty"`    // Power
	Bits    *Bits    `json:"bits,omitempty"`    // Flip
	Links   []Link   `json:"links,omitempty"`   // Shape
	Sick    *Sick    `json:"sick,omitempty"`    // Disk
	Clock   *Clock   `json:"clock,omitempty"`   // Skew
	Squeeze *Squeeze `json:"squeeze,omitempty"` // Press
	Seed    uint64   `json:"seed,omitempty"`    // of the action's own random choices

	Command []string `json:"-"` // Exec
	Here    bool     `json:"-"` // Exec: on the harness's machine
	Task    string   `json:"-"` // Do
	To      string   `json:"-"` // Upgrade
	Among   []int    `json:"-"` // Upgrade: all nodes of whom it is asked at once, one after the other
}

// Effect is what an action did.
type Effect struct {
	At      time.Time     // when it took effect, on the harness's clock; inside the agent, on the agent's
	Error   time.Duration // bound of At's error from the clocks' synchronisation
	Dropped uint64        // Unblock: packets that the rules dropped
	Changed bool          // false when there was nothing to do (killing what does not run)
	Lapsed  time.Duration // Unblock: for how long the rules were not in force, as nobody renewed them

	// Counts is what was seen of it, each by the words of whoever counted it: "packets
	// held", "pages lost"; of what lasts, by the action that undoes it.
	Counts map[string]uint64
}

// Words of Effect.Counts.
const (
	PagesLost    = "pages lost"     // Power: that were written and not synced
	PagesKept    = "pages survived" // Power: likewise, and survived by Loss.Survive
	NamesLost    = "names lost"     // Power: creations, renames and removals
	BytesLost    = "bytes lost"     // Power: that files had grown by
	Writes       = "writes"         // Power: on the volume since the last cut, or its first mount
	Syncs        = "syncs"          // Power: likewise
	CallsFailed  = "calls failed"   // Undisk
	CallsDelayed = "calls delayed"  // Undisk
	BitsFlipped  = "bits flipped"   // Flip
)

// Needs are what nodes have to be launched with for some faults. A host that cannot give it says
// so, with the remedy, in Launch; what only the node can tell, its agent tells by Can.
type Needs struct {
	Volume *Volume // the data directory is on a file system that can lose and spoil what is on it; nil: it is a plain folder
	Trace  bool    // the agent may look into, and write, the memory of the servers' processes whoever their user is
	Shape  bool    // the agent may hold the node's packets
	Memory bool    // the node has a limit of memory, Limits.Memory, which can be used up
}

// Volume is the file system under a node's data directory.
type Volume struct {
	// Names says when the name of a file is durable: NamesOrdered, NamesPosix or
	// NamesDurable.
	Names string `json:"names"`
	// Real is a true file system in a file on it, RealExt4; empty: there is none.
	Real string `json:"real,omitempty"`
}

// RealExt4 is an ext4 on a loop device: what of names and files a power cut takes is what
// it takes of a disk with that file system on it.
const RealExt4 = "ext4"

// When the names of files (creations, renames, removals) are durable.
const (
	NamesOrdered = "ordered" // with any later sync of anything, as a journal orders them (ext4, XFS)
	NamesPosix   = "posix"   // with a sync of their own directory alone
	NamesDurable = "durable" // at once
)

// Loss is what a node loses with its power.
type Loss struct {
	// Survive is the chance with which a page survives that was written and not
	// synced; 0: none does.
	Survive float64 `json:"survive,omitempty"`
	// Network: its packets are lost from the same instant on, those too that its kernel
	// had taken and not yet sent; until Restart.
	Network bool `json:"network,omitempty"`
}

// Bits says what is flipped.
type Bits struct {
	Path  string `json:"path"`  // a pattern below the data directory, as path.Match has it for each part; ** is any number of parts
	Count int    `json:"count"` // how many bits, spread over what matches by Action.Seed
}

// Link is what happens to the packets that come from a peer, or go to it.
type Link struct {
	Peer netip.Addr `json:"peer"`
	Out  bool       `json:"out,omitempty"` // what goes to the peer; else what comes from it
	// Delay holds each packet; Jitter adds to it a random time, normal with this deviation.
	Delay  time.Duration `json:"delay,omitempty"`
	Jitter time.Duration `json:"jitter,omitempty"`
	// The chances of one packet: to be lost, to come twice, to overtake others, to have a bit flipped
	// under a checksum that fits.
	Loss      float64 `json:"loss,omitempty"`
	Duplicate float64 `json:"duplicate,omitempty"`
	Reorder   float64 `json:"reorder,omitempty"`
	Corrupt   float64 `json:"corrupt,omitempty"`
	// Burst, if greater than 1, is the mean number of packets that are lost in a row:
	// Gilbert's model, in which Loss stays the share that is lost in all.
	Burst float64 `json:"burst,omitempty"`
	Rate  int64   `json:"rate,omitempty"` // bits per second; 0: no limit
}

// Sick is what a node's file system does to some calls.
type Sick struct {
	On     string        `json:"on"`              // read, write, sync, any
	Path   string        `json:"path,omitempty"`  // see Bits.Path; empty: every file
	Error  string        `json:"error,omitempty"` // EIO, ENOSPC, EROFS; empty: none
	Chance float64       `json:"chance"`          // of one call, 0 to 1
	Delay  time.Duration `json:"delay,omitempty"` // before the call is done
	Jitter time.Duration `json:"jitter,omitempty"`
	Stall  bool          `json:"stall,omitempty"` // it does not return until the fault is over
}

// Clock is how a node's clock is wrong.
type Clock struct {
	By     time.Duration `json:"by,omitempty"`     // ahead (or, if negative, behind) by this
	Strobe time.Duration `json:"strobe,omitempty"` // to and fro between By and the true time, every so often
	Drift  float64       `json:"drift,omitempty"`  // it gains so many seconds a second
}

// Squeeze is what is taken from a node's processes.
type Squeeze struct {
	CPU float64 `json:"cpu,omitempty"` // the share of the time for which they may run; 0: not touched
	// Memory is filled until the kernel kills the server, and given back at once: there is
	// nothing to undo but that the server is down.
	Memory bool `json:"memory,omitempty"`
	Files  int  `json:"files,omitempty"` // descriptors that each process may have; 0: not touched
}
