package workloads

import (
	"math/rand/v2"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/schema"
	"github.com/aftershock-chaos/aftershock/workloads/keys"
)

var setOperations = []operation{{"add", history.Add}, {"read", history.ReadSet}}

func setType() entry {
	return entry{
		TypeInfo: TypeInfo{
			Name:   "set",
			About:  "adds unique elements to sets and reads whole sets; reads grow with the set, so keep them few, or set a rate",
			Object: history.ObjectSet,
			Keys: []schema.Key[Spec]{
				keysKey(1, maxKeys, "number of sets; more of them stay smaller"),
				mixKey("{add: 90, read: 10}", setOperations, "weights of the operations; a read answers every element added so far"),
				readFromKey("which nodes are read; elements are added at the primary"),
				clientsKey(4, "workers, each with its own connections"),
				rateKey("500/s", "operations per second of all clients together"),
				distributionKey("how sets are chosen; zipfian has few hot sets"),
				valueKey("how long the elements are"),
			},
		},
		build: newSet,
	}
}

func newSet(s Spec) (Workload, error) {
	if err := checkLoad(s, operationNames(setOperations)); err != nil {
		return nil, err
	}
	return &set{spec: s, keys: keys.New(s.Keys, s.Distribution), mix: newMix(s.Mix, setOperations)}, nil
}

// set is the workload of growing sets. The cost of reading is quadratic in the
// length of the run: with n adds and a share p of reads, about p·n²/2 elements
// are answered and recorded.
type set struct {
	spec Spec
	keys *keys.Distribution
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
	return &setGenerator{rng: stream(seed, w.spec.Name, i), keys: w.keys.Worker(i, w.spec.Clients), mix: w.mix,
		last: firstValue(i), reads: readRoute(w.spec.ReadFrom)}
}

func (w *set) Pacer(i, _ int) Pacer { return loadPacer(w.spec, i) }

func (w *set) Finals(n int) []Request { return finals(w.spec.Keys, n, history.ReadSet) }

// setGenerator is one worker of a set workload.
type setGenerator struct {
	rng   *rand.PCG
	keys  keys.Chooser
	mix   mix
	last  int64 // the last element added
	reads Route
}

func (g *setGenerator) Next(r *Request) {
	kind := g.mix.pick(g.rng.Uint64())
	begin(r, kind, g.keys.Next(g.rng.Uint64(), kind == history.Add))
	r.Pick = uint32(g.rng.Uint64() >> 32)
	if kind == history.ReadSet {
		r.Route = g.reads
		return
	}
	g.last++
	r.Op.Value = g.last
}

func (g *setGenerator) Done(*history.Op) {}
