// Package members keeps the book of who belongs to the cluster of a run, and has the
// target change it.
package members

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aftershock-chaos/aftershock/cluster"
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/targets"
)

// wipeTimeout bounds what an agent does for a change: to end and empty a node.
const wipeTimeout = 15 * time.Second

// Anew makes the cluster anew of its nodes, which are empty, as it was made before the
// load.
type Anew func(ctx context.Context) error

// Members is the book. A nil book has every node in it. Reading it takes no lock.
type Members struct {
	system targets.System
	nodes  []*cluster.Node
	clock  history.Clock
	emit   func(history.Event)
	anew   Anew
	in     []atomic.Bool
	turn   chan struct{} // of capacity one: changes come one at a time
}

// New is the book of a cluster of which the first nodes are members; of the others
// an event says that they are spares. anew is for a cluster of one node, of which
// nothing is left when that loses its disk.
func New(system targets.System, nodes []*cluster.Node, first int, anew Anew, clock history.Clock, emit func(history.Event)) *Members {
	m := &Members{system: system, nodes: nodes, clock: clock, emit: emit, anew: anew, in: make([]atomic.Bool, len(nodes)), turn: make(chan struct{}, 1)}
	for i := range nodes {
		if i < first {
			m.in[i].Store(true)
			continue
		}
		emit(history.Event{At: clock.Now(), Kind: history.EventMember, Node: nodes[i].Name, Name: history.MemberSpare})
	}
	return m
}

// Has tells whether a node belongs to the cluster.
func (m *Members) Has(node int) bool { return m == nil || m.in[node].Load() }

// List are the nodes that belong to the cluster, without one: -1 leaves nobody out.
func (m *Members) List(without int) []int {
	var list []int
	for i := range m.nodes {
		if i != without && m.Has(i) {
			list = append(list, i)
		}
	}
	return list
}

// Next is the member that a number means among n nodes: so many places behind a
// node, which is not meant itself, round the members. It is the node itself if there
// is no other.
func (m *Members) Next(n, node, number int) int {
	others := 0
	for i := range n {
		if i != node && m.Has(i) {
			others++
		}
	}
	if others == 0 {
		return node
	}
	left := number % others
	for step := range 2 * n { // more than once round only if members change meanwhile
		i := (node + 1 + step) % n
		if i == node || !m.Has(i) {
			continue
		}
		if left == 0 {
			return i
		}
		left--
	}
	return node
}

// Nodes are those among all that belong to the cluster.
func (m *Members) Nodes(all []*cluster.Node) []*cluster.Node {
	var list []*cluster.Node
	for i, n := range all {
		if m.Has(i) {
			list = append(list, n)
		}
	}
	return list
}

// Change is engine.Members.
func (m *Members) Change(ctx context.Context, a cluster.Action, node int) (words string, err error) {
	select {
	case m.turn <- struct{}{}:
		defer func() { <-m.turn }()
	case <-ctx.Done():
		return "", fmt.Errorf("another change of the members was under way: %w", ctx.Err())
	}
	began := time.Now()
	switch a.Kind {
	case cluster.Join:
		err = m.join(ctx, node)
	case cluster.Leave:
		err = m.leave(ctx, node)
	default:
		err = fmt.Errorf("%s is no change of members", a.Kind)
	}
	return fmt.Sprintf("done after %s", time.Since(began).Round(time.Millisecond)), err
}

// membership is the cluster as a change of a node finds it.
func (m *Members) membership(node int) targets.Membership {
	return targets.Membership{Nodes: m.nodes, Members: m.List(node), Node: node}
}

// errAlone says that nobody is left to change anything.
var errAlone = errors.New("no other member is left")

// join takes a node in. One that is a member has lost its disk: its former self
// leaves before.
func (m *Members) join(ctx context.Context, node int) error {
	if len(m.nodes) == 1 {
		return m.begin(ctx, node)
	}
	joiner, ok := m.system.(targets.Joiner)
	if !ok {
		return errors.New("this target does not know how a node joins")
	}
	if m.Has(node) {
		if err := m.leave(ctx, node); err != nil {
			return fmt.Errorf("take its former self out: %w", err)
		}
	}
	if len(m.List(node)) == 0 {
		return errAlone
	}
	if err := m.wipe(ctx, node); err != nil {
		return err
	}
	if err := joiner.Join(ctx, m.membership(node)); err != nil {
		return errors.Join(err, m.wipe(context.WithoutCancel(ctx), node)) // half a member is to hold nobody up
	}
	m.tell(node, true)
	return nil
}

// begin has the only node there is begin again with nothing: there is nobody whom it
// could join.
func (m *Members) begin(ctx context.Context, node int) error {
	m.tell(node, false)
	if err := m.wipe(ctx, node); err != nil {
		return err
	}
	if err := m.anew(ctx); err != nil {
		return errors.Join(err, m.wipe(context.WithoutCancel(ctx), node))
	}
	m.tell(node, true)
	return nil
}

// leave takes a node out. Nobody goes to it from now on, whatever comes of it.
func (m *Members) leave(ctx context.Context, node int) error {
	leaver, ok := m.system.(targets.Leaver)
	if !ok {
		return errors.New("this target does not know how a node leaves")
	}
	if len(m.List(node)) == 0 {
		return errAlone
	}
	m.tell(node, false)
	return leaver.Leave(ctx, m.membership(node))
}

// wipe ends what runs on a node and empties its disk.
func (m *Members) wipe(ctx context.Context, node int) error {
	ctx, cancel := context.WithTimeout(ctx, wipeTimeout)
	defer cancel()
	if _, err := m.nodes[node].Do(ctx, cluster.Action{Kind: cluster.Wipe}); err != nil {
		return fmt.Errorf("empty %s: %w", m.nodes[node].Name, err)
	}
	return nil
}

// tell writes a change into the book, and who belongs to the cluster now.
func (m *Members) tell(node int, in bool) {
	m.in[node].Store(in)
	name := history.MemberLeft
	if in {
		name = history.MemberJoined
	}
	var names []string
	for _, i := range m.List(-1) {
		names = append(names, m.nodes[i].Name)
	}
	m.emit(history.Event{At: m.clock.Now(), Kind: history.EventMember, Node: m.nodes[node].Name, Name: name, Detail: "the members are " + strings.Join(names, " ")})
}
