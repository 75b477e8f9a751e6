package faults

import (
	"fmt"
	"slices"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// Faults of who belongs to the cluster. What each takes is the target's to do
// (targets.Joiner, Leaver); none fits a deployment that somebody else runs.

// joinKind: a node with an empty disk becomes a member of the living cluster.
func joinKind() Kind {
	return Kind{
		KindInfo: KindInfo{Name: "join", Victims: []string{Spare},
			About: "a node that is no member, with an empty disk, joins the cluster as its documentation says; with `for` it leaves again at the end"},
		Done:    "made a member",
		Instant: true,
		Steps:   change(cluster.Action{Kind: cluster.Join}, cluster.Action{Kind: cluster.Leave}),
		Members: cluster.Join,
		Joins:   true,
	}
}

// leaveKind: a member is taken out of the cluster for good.
func leaveKind() Kind {
	return Kind{
		KindInfo: KindInfo{Name: "leave", Victims: []string{Replica, Primary, Random},
			About: "a member leaves the cluster as its documentation says, and its server stops; with `for` it joins again at the end, with an empty disk"},
		Done:    "taken out of the cluster",
		Outage:  true,
		Instant: true,
		Steps:   change(cluster.Action{Kind: cluster.Leave}, cluster.Action{Kind: cluster.Join}),
		Members: cluster.Leave,
	}
}

// change makes one action of each victim, which is undone by another one at the
// end of a fault that lasts.
func change(begin, end cluster.Action) func(Planned, []int, Cluster) ([]Step, string) {
	return func(p Planned, victims []int, _ Cluster) ([]Step, string) {
		var steps []Step
		for _, v := range victims {
			s := Step{Node: v, Begin: begin}
			if p.For > 0 {
				s.End = end
			}
			steps = append(steps, s)
		}
		return steps, ""
	}
}

// replaceKind: a machine is lost with its disk, and another one takes its place.
func replaceKind() Kind {
	return Kind{
		KindInfo: KindInfo{Name: "replace", Victims: []string{Replica, Primary, Random},
			About: "the machine is lost with its disk: every process is killed and the data is gone; at the end a new one, empty, joins under the same name; where it was the only one, it begins anew"},
		Done:    "replaced",
		Outage:  true,
		Hold:    Down,
		Enter:   cluster.Action{Kind: cluster.Wipe},
		Instant: true,
		Members: cluster.Join,
		verify: func(e Evidence) (string, bool) {
			if e.Counts["files removed"] == 0 {
				return "there was nothing on its disk to lose: have it come later (at)", false
			}
			return "lost its disk", true
		},
	}
}

// CheckMembers refuses a change of members that a target cannot do. can tells
// whether it can do one kind of change; alone, that the cluster is a single node: one
// that is replaced joins nobody and begins as it was launched, which any target can.
func CheckMembers(s Spec, target string, alone bool, can func(cluster.ActionKind) bool) error {
	for _, one := range append(slices.Clone(s.Pick), s) {
		k, _ := Lookup(one.Kind)
		if k.Members == "" || alone && k.Hold == Down {
			continue
		}
		needed := []cluster.ActionKind{k.Members}
		if one.For > 0 || s.For > 0 || k.Hold == Down { // the end undoes it, or a lost member is taken out first
			needed = []cluster.ActionKind{cluster.Leave, cluster.Join}
		}
		for _, kind := range needed {
			if !can(kind) {
				return fmt.Errorf("fault %q: target %s does not know how a node is made to %s: choose another fault or target (`aftershock list targets`)", one.Title(), target, kind)
			}
		}
	}
	return nil
}
