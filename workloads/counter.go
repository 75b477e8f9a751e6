package workloads

import (
	"math/rand/v2"

	"github.com/aftershock-chaos/aftershock/history"
)

var counterOperations = []operation{{"increment", history.Increment}, {"read", history.Read}}

func counterType() entry {
	return entry{
		info: TypeInfo{
			Name:  "counter",
			About: "increments counters and reads them; every read must lie within what the increments allow",
			Fields: []FieldInfo{
				{"keys", "8", nil, "number of counters"},
				{"mix", "{increment: 50, read: 50}", operationNames(counterOperations), "weights of the operations"},
				{"read_from", "primary", readFroms, "which nodes are read; increments go to the primary"},
				{"clients", "8", nil, "workers, each with its own connections"},
				{"rate", "as fast as answers come", nil, "operations per second of all clients together, e.g. 500/s"},
				{"distribution", "uniform", distributions, "how counters are chosen; zipfian has few hot counters"},
			},
		},
		defaults: func(s Spec) Spec {
			if len(s.Mix) == 0 {
				s.Mix = map[string]int{"increment": 50, "read": 50}
			}
			s.Keys, s.Clients = orDefault(s.Keys, 8), orDefault(s.Clients, 8)
			s.ReadFrom, s.Distribution = orDefault(s.ReadFrom, "primary"), orDefault(s.Distribution, "uniform")
			return s
		},
		build: func(s Spec) (Workload, error) {
			if err := checkLoad(s, operationNames(counterOperations)); err != nil {
				return nil, err
			}
			return &counter{spec: s, keys: newKeys(s.Keys, s.Distribution), mix: newMix(s.Mix, counterOperations)}, nil
		},
	}
}

// counter is the workload of counters.
type counter struct {
	spec Spec
	keys *keys
	mix  mix
}

func (w *counter) Spec() Spec            { return w.spec }
func (w *counter) Kinds() []history.Kind { return []history.Kind{history.Increment, history.Read} }
func (w *counter) Workers(int) int       { return w.spec.Clients }
func (w *counter) Measured(int) bool     { return true }

func (w *counter) Worker(i, _ int, seed uint64) Generator {
	return &counterGenerator{rng: stream(seed, w.spec.Name, i), keys: w.keys, mix: w.mix, reads: readRoute(w.spec.ReadFrom)}
}

func (w *counter) Pacer(i, _ int) Pacer   { return loadPacer(w.spec, i) }
func (w *counter) Finals(n int) []Request { return finals(w.spec.Keys, n, history.Read) }

// counterGenerator is one worker of a counter workload.
type counterGenerator struct {
	rng   *rand.PCG
	keys  *keys
	mix   mix
	reads Route
}

func (g *counterGenerator) Next(r *Request) {
	kind := g.mix.pick(g.rng.Uint64())
	begin(r, kind, g.keys.pick(g.rng.Uint64()))
	u := g.rng.Uint64()
	r.Pick = uint32(u >> 32)
	if kind == history.Read {
		r.Route = g.reads
		return
	}
	r.Op.Value = 1 + int64(u%3)
}

func (g *counterGenerator) Done(*history.Op) {}
