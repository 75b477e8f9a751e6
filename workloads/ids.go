package workloads

import (
	"math/rand/v2"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/schema"
	"github.com/aftershock-chaos/aftershock/workloads/keys"
)

var idsOperations = []operation{{"generate", history.Generate}}

func idsType() entry {
	return entry{
		TypeInfo: TypeInfo{
			Name:   "unique-ids",
			About:  "asks for unique numbers (a sequence, an auto-increment column, an INCR) and looks for ones given out twice",
			Object: history.ObjectIDs,
			Keys: []schema.Key[Spec]{
				keysKey(1, maxKeys, "number of sequences"),
				clientsKey(8, "workers, each with its own connections"),
				rateKey("500/s", "operations per second of all clients together"),
			},
		},
		implied: Spec{Mix: map[string]int{"generate": 100}, ReadFrom: "primary", Distribution: keys.Spec{Name: keys.Uniform}},
		build: func(s Spec) (Workload, error) {
			if err := checkLoad(s, operationNames(idsOperations)); err != nil {
				return nil, err
			}
			return &ids{spec: s, keys: keys.New(s.Keys, s.Distribution)}, nil
		},
	}
}

// ids is the workload of unique numbers.
type ids struct {
	spec Spec
	keys *keys.Distribution
}

func (w *ids) Spec() Spec            { return w.spec }
func (w *ids) Kinds() []history.Kind { return []history.Kind{history.Generate} }
func (w *ids) Workers(int) int       { return w.spec.Clients }
func (w *ids) Measured(int) bool     { return true }

func (w *ids) Worker(i, _ int, seed uint64) Generator {
	return &idsGenerator{rng: stream(seed, w.spec.Name, i), keys: w.keys.Worker(i, w.spec.Clients)}
}

func (w *ids) Pacer(i, _ int) Pacer { return loadPacer(w.spec, i) }
func (w *ids) Finals(int) []Request { return nil }

// idsGenerator is one worker of a workload of unique numbers.
type idsGenerator struct {
	rng  *rand.PCG
	keys keys.Chooser
}

func (g *idsGenerator) Next(r *Request) {
	begin(r, history.Generate, g.keys.Next(g.rng.Uint64(), true))
	r.Op.Value = history.Nil
}

func (g *idsGenerator) Done(*history.Op) {}
