package workloads

import (
	"math/rand/v2"

	"github.com/aftershock-chaos/aftershock/history"
)

var setOperations = []operation{{"add", history.Add}, {"read", history.ReadSet}}

func setType() entry {
	return entry{
		info: TypeInfo{
			Name:  "set",
			About: "adds unique elements to sets and reads whole sets; reads grow with the set, so keep them few, or set a rate",
			Fields: []FieldInfo{
				{"keys", "1", nil, "number of sets; more of them stay smaller"},
				{"mix", "{add: 90, read: 10}", operationNames(setOperations), "weights of the operations; a read answers every element added so far"},
				{"read_from", "primary", readFroms, "which nodes are read; elements are added at the primary"},
				{"clients", "4", nil, "workers, each with its own connections"},
				{"rate", "as fast as answers come", nil, "operations per second of all clients together, e.g. 500/s"},
				{"distribution", "uniform", distributions, "how sets are chosen; zipfian has few hot sets"},
			},
		},
		defaults: func(s Spec) Spec {
			if len(s.Mix) == 0 {
				s.Mix = map[string]int{"add": 90, "read": 10}
			}
			s.Keys, s.Clients = orDefault(s.Keys, 1), orDefault(s.Clients, 4)
			s.ReadFrom, s.Distribution = orDefault(s.ReadFrom, "primary"), orDefault(s.Distribution, "uniform")
			return s
		},
		build: newSet,
	}
}

func newSet(s Spec) (Workload, error) {
	if err := checkLoad(s, operationNames(setOperations)); err != nil {
		return nil, err
	}
	return &set{spec: s, keys: newKeys(s.Keys, s.Distribution), mix: newMix(s.Mix, setOperations)}, nil
}

// set is the workload of growing sets. The cost of reading is quadratic in the
// length of the run: with n adds and a share p of reads, about p·n²/2 elements
// are answered and recorded.
type set struct {
	spec Spec
	keys *keys
	mix  mix
}

func (w *set) Spec() Spec { return w.spec }

// Kinds has ReadSet always, for the final reads.
func (w *set) Kinds() []history.Kind {
	if w.mix.has(history.Add) {
		return []history.Kind{history.Add, history.ReadSet}
	}
	return []history.Kind{history.ReadSet}
}

func (w *set) Workers(int) int   { return w.spec.Clients }
func (w *set) Measured(int) bool { return true }

func (w *set) Worker(i, _ int, seed uint64) Generator {
	return &setGenerator{rng: stream(seed, w.spec.Name, i), keys: w.keys, mix: w.mix,
		last: firstValue(i), reads: readRoute(w.spec.ReadFrom)}
}

func (w *set) Pacer(i, _ int) Pacer { return loadPacer(w.spec, i) }

func (w *set) Finals(n int) []Request { return finals(w.spec.Keys, n, history.ReadSet) }

// setGenerator is one worker of a set workload.
type setGenerator struct {
	rng   *rand.PCG
	keys  *keys
	mix   mix
	last  int64 // the last element added
	reads Route
}

func (g *setGenerator) Next(r *Request) {
	kind := g.mix.pick(g.rng.Uint64())
	begin(r, kind, g.keys.pick(g.rng.Uint64()))
	r.Pick = uint32(g.rng.Uint64() >> 32)
	if kind == history.ReadSet {
		r.Route = g.reads
		return
	}
	g.last++
	r.Op.Value = g.last
}

func (g *setGenerator) Done(*history.Op) {}
