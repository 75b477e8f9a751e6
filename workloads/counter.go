package workloads

import (
	"math/rand/v2"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/schema"
	"github.com/aftershock-chaos/aftershock/workloads/keys"
)

var counterOperations = []operation{{"increment", history.Increment}, {"read", history.Read}}

func counterType() entry {
	return entry{
		TypeInfo: TypeInfo{
			Name:   "counter",
			About:  "increments counters and reads them; every read must lie within what the increments allow",
			Object: history.ObjectCounter,
			Keys: []schema.Key[Spec]{
				keysKey(8, maxKeys, "number of counters"),
				mixKey("{increment: 50, read: 50}", counterOperations, "weights of the operations"),
				readFromKey("which nodes are read; increments go to the primary"),
				clientsKey(8, "workers, each with its own connections"),
				rateKey("500/s", "operations per second of all clients together"),
				distributionKey("how counters are chosen; zipfian has few hot counters"),
			},
		},
		build: func(s Spec) (Workload, error) {
			if err := checkLoad(s, operationNames(counterOperations)); err != nil {
				return nil, err
			}
			return &counter{spec: s, keys: keys.New(s.Keys, s.Distribution), mix: newMix(s.Mix, counterOperations)}, nil
		},
	}
}

// counter is the workload of counters.
type counter struct {
	spec Spec
	keys *keys.Distribution
	mix  mix
}

func (w *counter) Spec() Spec            { return w.spec }
func (w *counter) Kinds() []history.Kind { return []history.Kind{history.Increment, history.Read} }
func (w *counter) Workers(int) int       { return w.spec.Clients }
func (w *counter) Measured(int) bool     { return true }

func (w *counter) Worker(i, _ int, seed uint64) Generator {
	return &counterGenerator{rng: stream(seed, w.spec.Name, i), keys: w.keys.Worker(i, w.spec.Clients), mix: w.mix, reads: readRoute(w.spec.ReadFrom)}
}

func (w *counter) Pacer(i, _ int) Pacer   { return loadPacer(w.spec, i) }
func (w *counter) Finals(n int) []Request { return finals(w.spec.Keys, n, history.Read) }

// counterGenerator is one worker of a counter workload.
type counterGenerator struct {
	rng   *rand.PCG
	keys  keys.Chooser
	mix   mix
	reads Route
}

func (g *counterGenerator) Next(r *Request) {
	kind := g.mix.pick(g.rng.Uint64())
	begin(r, kind, g.keys.Next(g.rng.Uint64(), kind != history.Read))
	u := g.rng.Uint64()
	r.Pick = uint32(u >> 32)
	if kind == history.Read {
		r.Route = g.reads
		return
	}
	r.Op.Value = 1 + int64(u%3)
}

func (g *counterGenerator) Done(*history.Op) {}
