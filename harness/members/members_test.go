package members

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets"
)

// diary is a system, and the control of its nodes, that writes down what it is asked.
type diary struct {
	targets.System
	cluster.Control
	mu    sync.Mutex
	lines []string
	fail  error
}

func (d *diary) write(format string, args ...any) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lines = append(d.lines, fmt.Sprintf(format, args...))
	return d.fail
}

func (d *diary) Join(_ context.Context, m targets.Membership) error {
	return d.write("join %d to %v", m.Node, m.Members)
}

func (d *diary) Leave(_ context.Context, m targets.Membership) error {
	return d.write("leave %d of %v", m.Node, m.Members)
}

func (d *diary) Do(_ context.Context, a cluster.Action) (cluster.Effect, error) {
	_ = d.write("%s", a.Kind)
	return cluster.Effect{}, nil
}

func book(d *diary, n, first int) (*Members, *[]history.Event) {
	var nodes []*cluster.Node
	for i := range n {
		nodes = append(nodes, &cluster.Node{Name: fmt.Sprintf("n%d", i+1), Index: i, Control: d})
	}
	events := new([]history.Event)
	anew := func(context.Context) error { return d.write("form") }
	return New(d, nodes, first, anew, history.NewClock(), func(e history.Event) { *events = append(*events, e) }), events
}

// TestChanges: a node joins with an empty disk, one that is a member leaves before,
// and the book and the events tell who is in.
func TestChanges(t *testing.T) {
	d := &diary{}
	m, events := book(d, 4, 3)
	for _, step := range []struct {
		kind cluster.ActionKind
		node int
		want string // what was asked
		in   []int
	}{
		{cluster.Join, 3, "wipe, join 3 to [0 1 2]", []int{0, 1, 2, 3}},
		{cluster.Leave, 1, "leave 1 of [0 2 3]", []int{0, 2, 3}},
		{cluster.Join, 2, "leave 2 of [0 3], wipe, join 2 to [0 3]", []int{0, 2, 3}}, // it was replaced
	} {
		d.lines = nil
		if _, err := m.Change(t.Context(), cluster.Action{Kind: step.kind}, step.node); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(d.lines, ", "); got != step.want {
			t.Errorf("%s %d: %s, want %s", step.kind, step.node, got, step.want)
		}
		if got := m.List(-1); !slices.Equal(got, step.in) {
			t.Errorf("%s %d: the members are %v, want %v", step.kind, step.node, got, step.in)
		}
	}
	var told []string
	for _, e := range *events {
		told = append(told, e.Node+" "+e.Name)
	}
	if got := strings.Join(told, ", "); got != "n4 spare, n4 joined, n2 left, n3 left, n3 joined" {
		t.Errorf("events: %s", got)
	}
}

// TestHalfAMemberIsNone: a node whose join failed is emptied again and stays out, and
// the last member cannot leave.
func TestHalfAMemberIsNone(t *testing.T) {
	d := &diary{fail: errors.New("no quorum")}
	m, _ := book(d, 2, 1)
	_, err := m.Change(t.Context(), cluster.Action{Kind: cluster.Join}, 1)
	if !errors.Is(err, d.fail) || m.Has(1) || strings.Join(d.lines, ", ") != "wipe, join 1 to [0], wipe" {
		t.Errorf("%v, a member: %t, asked: %v", err, m.Has(1), d.lines)
	}
	if _, err := m.Change(t.Context(), cluster.Action{Kind: cluster.Leave}, 0); !errors.Is(err, errAlone) || !m.Has(0) {
		t.Errorf("the last member left: %v", err)
	}
}

// TestTheOnlyNodeBeginsAnew: where there is nobody to join, the cluster is formed
// again of an empty node, which is no member until that is done.
func TestTheOnlyNodeBeginsAnew(t *testing.T) {
	d := &diary{}
	m, events := book(d, 1, 1)
	if _, err := m.Change(t.Context(), cluster.Action{Kind: cluster.Join}, 0); err != nil || !m.Has(0) || strings.Join(d.lines, ", ") != "wipe, form" {
		t.Errorf("%v, a member: %t, asked: %v", err, m.Has(0), d.lines)
	}
	if len(*events) != 2 || (*events)[0].Name != history.MemberLeft || (*events)[1].Name != history.MemberJoined {
		t.Errorf("events: %+v", *events)
	}
	d.fail, d.lines = errors.New("it does not start"), nil
	if _, err := m.Change(t.Context(), cluster.Action{Kind: cluster.Join}, 0); !errors.Is(err, d.fail) || m.Has(0) || strings.Join(d.lines, ", ") != "wipe, form, wipe" {
		t.Errorf("it failed: %v, a member: %t, asked: %v", err, m.Has(0), d.lines)
	}
}

// TestNext: numbers mean the members in turn, never the node itself.
func TestNext(t *testing.T) {
	m, _ := book(&diary{}, 5, 3)
	var all *Members
	for _, test := range []struct {
		m       *Members
		n, node int
		want    []int
	}{
		{m, 5, -1, []int{0, 1, 2, 0, 1}}, {m, 5, 1, []int{2, 0, 2, 0, 2}}, {all, 3, -1, []int{0, 1, 2, 0, 1}}, {all, 3, 2, []int{0, 1, 0, 1, 0}}, {all, 1, 0, []int{0, 0, 0, 0, 0}},
	} {
		var got []int
		for number := range 5 {
			got = append(got, test.m.Next(test.n, test.node, number))
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("behind %d of %d: %v, want %v", test.node, test.n, got, test.want)
		}
	}
}
