package workloads

import "github.com/aftershock-chaos/aftershock/history"

// Told is a Workload whose final reads depend on what its workers did. Of workers in
// another process it is told each of their operations; calls are one at a time.
type Told interface{ Tell(op *history.Op) }

// Tell tells a workload of an operation of a worker elsewhere.
func Tell(w Workload, op *history.Op) {
	if told, ok := w.(Told); ok {
		told.Tell(op)
	}
}

// Tell implements Told.
func (w *register) Tell(op *history.Op) {
	if i, k, ok := ownPlace(op, w.spec.Keys, w.spec.Clients); ok {
		w.used[i].Store(max(w.used[i].Load(), k+1))
	}
}

// Tell implements Told.
func (w *ycsb) Tell(op *history.Op) {
	if i, k, ok := ownPlace(op, w.spec.Keys, w.spec.Clients); ok {
		w.inserted[i].Store(max(w.inserted[i].Load(), k+1))
	}
}

// ownPlace tells which of the keys behind the first ones a write is of, which the
// clients have in turn: whose, and the how many of its own.
func ownPlace(op *history.Op, keys, clients int) (client int, number uint32, ok bool) {
	if op.Kind != history.Write || int(op.Key) < keys {
		return 0, 0, false
	}
	behind := int(op.Key) - keys
	return behind % clients, uint32(behind / clients), true
}
