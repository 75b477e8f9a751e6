package workloads

import (
	"fmt"
	"math/rand/v2"

	"github.com/aftershock-chaos/aftershock/history"
)

var registerOperations = []operation{{"read", history.Read}, {"write", history.Write}, {"cas", history.CAS}}

func registerType() entry {
	return entry{
		info: TypeInfo{
			Name:  "register",
			About: "reads, writes and compare-and-sets registers; every written value is unique",
			Fields: []FieldInfo{
				{"keys", "64", nil, "number of registers"},
				{"mix", "{read: 50, write: 50}", operationNames(registerOperations), "weights of the operations"},
				{"read_from", "primary", readFroms, "which nodes are read; writes go to the primary"},
				{"clients", "8", nil, "workers, each with its own connections"},
				{"rate", "as fast as answers come", nil, "operations per second of all clients together, e.g. 2000/s"},
				{"distribution", "uniform", distributions, "how keys are chosen; zipfian has few hot keys"},
			},
		},
		defaults: func(s Spec) Spec {
			if len(s.Mix) == 0 {
				s.Mix = map[string]int{"read": 50, "write": 50}
			}
			s.Keys, s.Clients = orDefault(s.Keys, 64), orDefault(s.Clients, 8)
			s.ReadFrom, s.Distribution = orDefault(s.ReadFrom, "primary"), orDefault(s.Distribution, "uniform")
			return s
		},
		build: newRegister,
	}
}

func newRegister(s Spec) (Workload, error) {
	if err := checkLoad(s, operationNames(registerOperations)); err != nil {
		return nil, err
	}
	w := &register{spec: s, keys: newKeys(s.Keys, s.Distribution), mix: newMix(s.Mix, registerOperations)}
	if w.mix.has(history.CAS) && s.Keys*s.Clients > maxKnown {
		return nil, fmt.Errorf("cas on %d keys by %d clients would remember %d values; at most %d: use fewer keys or clients",
			s.Keys, s.Clients, s.Keys*s.Clients, maxKnown)
	}
	return w, nil
}

// register is the workload of independent registers.
type register struct {
	spec Spec
	keys *keys
	mix  mix
}

func (w *register) Spec() Spec { return w.spec }

// Kinds has Read always, for the final reads, and Write whenever there is a
// CAS, which needs a first value.
func (w *register) Kinds() []history.Kind {
	kinds := []history.Kind{history.Read}
	cas := w.mix.has(history.CAS)
	if cas || w.mix.has(history.Write) {
		kinds = append(kinds, history.Write)
	}
	if cas {
		kinds = append(kinds, history.CAS)
	}
	return kinds
}

func (w *register) Workers(int) int   { return w.spec.Clients }
func (w *register) Measured(int) bool { return true }

func (w *register) Worker(i, _ int, seed uint64) Generator {
	g := &registerGenerator{rng: stream(seed, w.spec.Name, i), keys: w.keys, mix: w.mix,
		last: firstValue(i), reads: readRoute(w.spec.ReadFrom)}
	if w.mix.has(history.CAS) {
		g.known = make([]int64, w.spec.Keys)
	}
	return g
}

func (w *register) Pacer(i, _ int) Pacer { return loadPacer(w.spec, i) }

func (w *register) Finals(n int) []Request { return finals(w.spec.Keys, n, history.Read) }

// loadPacer is the pacer of a workload with clients and a rate.
func loadPacer(s Spec, i int) Pacer {
	if s.Rate == 0 {
		return nil
	}
	return fixedRate(s.Rate, i, s.Clients)
}

// finals reads every key of node n once.
func finals(keys, n int, kind history.Kind) []Request {
	all := make([]Request, keys)
	for k := range all {
		all[k] = Request{Op: history.Op{Kind: kind, Key: uint32(k), Flags: history.FinalRead}, Route: ToNode, Pick: uint32(n)}
	}
	return all
}

// unknownValue in registerGenerator.known: the worker has no idea. Written
// values are above 0 and an unwritten key is history.Nil, so 0 is free.
const unknownValue = 0

// registerGenerator is one worker of a register workload.
type registerGenerator struct {
	rng   *rand.PCG
	keys  *keys
	mix   mix
	last  int64 // value of the last write
	reads Route
	known []int64 // by key, the value last known; nil without CAS
}

// Next chooses the operation by the mix and the key by the distribution. A CAS
// expects the value that the worker last knew; where it knows none it becomes
// a read, and on a key known to be unwritten a write.
func (g *registerGenerator) Next(r *Request) {
	kind := g.mix.pick(g.rng.Uint64())
	begin(r, kind, g.keys.pick(g.rng.Uint64()))
	if kind == history.CAS {
		switch old := g.known[r.Op.Key]; old {
		case unknownValue:
			r.Op.Kind = history.Read
		case history.Nil:
			r.Op.Kind = history.Write
		default:
			r.Op.Old = old
		}
	}
	pick := uint32(g.rng.Uint64() >> 32)
	if r.Op.Kind == history.Read {
		r.Route, r.Pick = g.reads, pick
		return
	}
	g.last++
	r.Op.Value = g.last
	r.Route, r.Pick = ToPrimary, pick
}

// begin clears r for a new operation. The memory of Elements is kept for the
// next answer: who records an operation copies them.
func begin(r *Request, kind history.Kind, key uint32) {
	elements := r.Op.Elements[:0]
	*r = Request{}
	r.Op.Elements, r.Op.Kind, r.Op.Key = elements, kind, key
}

// Done remembers for later CAS what op tells of its key's value.
func (g *registerGenerator) Done(op *history.Op) {
	if int(op.Key) >= len(g.known) {
		return
	}
	known := &g.known[op.Key]
	switch {
	case op.Outcome == history.OK && (op.Kind == history.Read || op.Kind == history.Write || op.Kind == history.CAS):
		*known = op.Value
	case op.Kind == history.Read:
	case op.Outcome == history.Unknown:
		*known = unknownValue
	case op.Flags&history.Seen != 0:
		*known = op.Observed
	case op.Error == history.ErrCompare:
		*known = unknownValue
	}
}
