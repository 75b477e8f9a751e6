package load

import (
	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/payload"
	"github.com/aftershock-chaos/aftershock/workloads"
)

// Share is the part of all workers that one of several processes has. They have what
// one process would: each worker with its own stream of operations, pace and process
// ids, so that all of them together make the same load. The zero Share is all.
type Share struct{ Index, Count int }

// Of are a workload's first client in the share, and the first behind it. Markers of
// replication lag and the polls that look for them are of one share, as they are
// timed by one clock.
func (s Share) Of(w workloads.Workload, nodes int) (first, behind int) {
	all := workloads.Connections(w, nodes)
	switch {
	case s.Count <= 1:
		return 0, all
	case workloads.ObjectOf(w.Spec().Type) == history.ObjectMarker && s.Index == 0:
		return 0, all
	case workloads.ObjectOf(w.Spec().Type) == history.ObjectMarker:
		return 0, 0
	}
	return all * s.Index / s.Count, all * (s.Index + 1) / s.Count
}

// Workers are the same in numbers of workers, of which a client that pipelines has several.
func (s Share) Workers(w workloads.Workload, nodes int) (first, behind int) {
	first, behind = s.Of(w, nodes)
	each := max(w.Spec().Pipeline, 1)
	return first * each, behind * each
}

// Values are how the values of each workload look.
func Values(list []workloads.Workload, seed uint64) payload.Table {
	table := make(payload.Table, len(list))
	for i, w := range list {
		table[i] = payload.New(w.Spec().Value, seed)
	}
	return table
}
