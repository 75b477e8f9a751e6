package workloads

import (
	"math/rand/v2"

	"github.com/aftershock-chaos/aftershock/history"
)

var idsOperations = []operation{{"generate", history.Generate}}

func idsType() entry {
	return entry{
		info: TypeInfo{
			Name:  "unique-ids",
			About: "asks for unique numbers (a sequence, an auto-increment column, an INCR) and looks for ones given out twice",
			Fields: []FieldInfo{
				{"keys", "1", nil, "number of sequences"},
				{"clients", "8", nil, "workers, each with its own connections"},
				{"rate", "as fast as answers come", nil, "operations per second of all clients together, e.g. 500/s"},
			},
		},
		defaults: func(s Spec) Spec {
			if len(s.Mix) == 0 {
				s.Mix = map[string]int{"generate": 100}
			}
			s.Keys, s.Clients = orDefault(s.Keys, 1), orDefault(s.Clients, 8)
			s.ReadFrom, s.Distribution = orDefault(s.ReadFrom, "primary"), orDefault(s.Distribution, "uniform")
			return s
		},
		build: func(s Spec) (Workload, error) {
			if err := checkLoad(s, operationNames(idsOperations)); err != nil {
				return nil, err
			}
			return &ids{spec: s, keys: newKeys(s.Keys, s.Distribution)}, nil
		},
	}
}

// ids is the workload of unique numbers.
type ids struct {
	spec Spec
	keys *keys
}

func (w *ids) Spec() Spec            { return w.spec }
func (w *ids) Kinds() []history.Kind { return []history.Kind{history.Generate} }
func (w *ids) Workers(int) int       { return w.spec.Clients }
func (w *ids) Measured(int) bool     { return true }

func (w *ids) Worker(i, _ int, seed uint64) Generator {
	return &idsGenerator{rng: stream(seed, w.spec.Name, i), keys: w.keys}
}

func (w *ids) Pacer(i, _ int) Pacer { return loadPacer(w.spec, i) }
func (w *ids) Finals(int) []Request { return nil }

// idsGenerator is one worker of a workload of unique numbers.
type idsGenerator struct {
	rng  *rand.PCG
	keys *keys
}

func (g *idsGenerator) Next(r *Request) {
	begin(r, history.Generate, g.keys.pick(g.rng.Uint64()))
	r.Op.Value = history.Nil
}

func (g *idsGenerator) Done(*history.Op) {}
