package faults

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
)

// TestVictimsAreMembers: who does not belong to the cluster is hit by nothing but a
// join, and who does is joined by nothing.
func TestVictimsAreMembers(t *testing.T) {
	view := View{Nodes: []NodeView{
		{"n1", Primary, 1, true, false}, {"n2", Replica, 1, true, false}, {"n3", Primary, 9, true, true}, {"n4", "", 0, false, true}}}
	resolve := func(kind, victim string) string {
		victims, err := Resolve(Planned{Seed: 4, Spec: Spec{Kind: kind, Victim: victim}}, view)
		if err != nil {
			return err.Error()
		}
		return fmt.Sprint(victims)
	}
	for _, test := range []struct{ kind, victim, want string }{
		{"kill", Primary, "[0]"}, {"kill", Replica, "[1]"}, {"kill", All, "[0 1]"}, {"kill", "n4", "n4 is no member"}, {"replace", "n3", "n3 is no member"},
		{"join", "n4", "[3]"}, {"join", "n2", "n2 is a member of the cluster already"}, {"leave", "n2", "[1]"}, {"leave", "n4", "n4 is no member"},
	} {
		if got := resolve(test.kind, test.victim); !strings.HasPrefix(got, test.want) {
			t.Errorf("%s %s: got %s, want %s", test.kind, test.victim, got, test.want)
		}
	}
	if got := resolve("join", Spare); got != "[2]" && got != "[3]" {
		t.Errorf("join spare: got %s", got)
	}
	for i := range view.Nodes {
		view.Nodes[i].Away = false
	}
	if got := resolve("join", Spare); !strings.Contains(got, "raise target.spares") {
		t.Errorf("join spare without one: got %s", got)
	}
}

// TestChangesAreUndone: with a length, a join ends with a leave and a leave with a join; without
// one nothing is undone.
func TestChangesAreUndone(t *testing.T) {
	for kind, undo := range map[string]cluster.ActionKind{"join": cluster.Leave, "leave": cluster.Join} {
		k, _ := Lookup(kind)
		for length, want := range map[time.Duration]cluster.ActionKind{0: "", time.Second: undo} {
			steps, _ := k.Steps(Planned{For: length, Spec: Spec{Kind: kind}}, []int{2}, Cluster{})
			if len(steps) != 1 || steps[0].Node != 2 || steps[0].Begin.Kind != k.Members || steps[0].End.Kind != want {
				t.Errorf("%s for %s: %+v", kind, length, steps)
			}
		}
	}
}

// TestMembersNeedTheTarget: a change that the target does not know is refused, and so
// is one that its end needs.
func TestMembersNeedTheTarget(t *testing.T) {
	only := func(kinds ...cluster.ActionKind) func(cluster.ActionKind) bool {
		return func(kind cluster.ActionKind) bool { return strings.Contains(fmt.Sprint(kinds), string(kind)) }
	}
	for _, test := range []struct {
		spec  Spec
		alone bool
		can   func(cluster.ActionKind) bool
		want  string
	}{
		{Spec{Kind: "kill", Victim: All}, false, only(), ""},
		{Spec{Kind: "join", Victim: Spare}, false, only(cluster.Join), ""},
		{Spec{Kind: "join", Victim: Spare, For: time.Second}, false, only(cluster.Join), "made to leave"},
		{Spec{Kind: "replace", Victim: Replica}, false, only(cluster.Join), "made to leave"},
		{Spec{Kind: "replace", Victim: Replica}, false, only(cluster.Join, cluster.Leave), ""},
		{Spec{Kind: "replace", Victim: Primary}, true, only(), ""},
		{Spec{Kind: "leave", Victim: Primary}, true, only(), "made to leave"},
		{Spec{Every: time.Second, Pick: []Spec{{Kind: "leave", Victim: Replica, For: time.Millisecond}}}, false, only(cluster.Leave), "made to join"},
	} {
		err := CheckMembers(test.spec, "stone", test.alone, test.can)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.spec.Title(), err, test.want)
		}
	}
}
