package kit

import (
	"slices"

	"github.com/aftershock-chaos/aftershock/history"
)

// Members tells which nodes belonged to the cluster, and when.
type Members struct {
	of [][]membership // by node, in order of time; none: it always did
}

// membership is what a node was from an instant on.
type membership struct {
	from int64
	in   bool
}

// MembersOf reads a log's events.
func MembersOf(log *history.Log) *Members {
	m := &Members{of: make([][]membership, len(log.Meta.Nodes))}
	for i := range log.Events {
		e := &log.Events[i]
		if e.Kind != history.EventMember {
			continue
		}
		node := slices.Index(log.Meta.Nodes, e.Node)
		if node < 0 {
			continue
		}
		from := e.At
		if e.Name == history.MemberSpare {
			from = Beginning
		}
		m.of[node] = append(m.of[node], membership{from, e.Name == history.MemberJoined})
	}
	for _, list := range m.of {
		slices.SortStableFunc(list, func(a, b membership) int { return int(min(max(Span(a.from, b.from), -1), 1)) })
	}
	return m
}

// Throughout tells whether a node was a member from one instant to another.
func (m *Members) Throughout(node int, from, to int64) bool {
	in := true
	for _, c := range m.of[node] {
		switch {
		case c.from <= from:
			in = c.in
		case c.from <= to:
			in = in && c.in
		}
	}
	return in
}
