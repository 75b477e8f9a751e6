package workloads

import (
	"math/rand/v2"

	"github.com/aftershock-chaos/aftershock/history"
)

// Micro-operations of the append workload, under the names that a mix gives them.
var appendOperations = []operation{{"append", history.Add}, {"read", history.Read}}

// mostMicros is the greatest length of a transaction; all lengths from 1 on
// are as likely.
const mostMicros = 4

func appendType() entry {
	return entry{
		info: TypeInfo{
			Name:  "append",
			About: "transactions that append unique elements to lists and read lists, to find the isolation level that the target keeps",
			Fields: []FieldInfo{
				{"keys", "64", nil, "number of lists; more of them stay shorter, fewer have more conflicts"},
				{"mix", "{append: 50, read: 50}", operationNames(appendOperations), "weights of the 1 to 4 operations of a transaction"},
				{"read_from", "primary", readFroms, "where transactions that only read are sent"},
				{"clients", "8", nil, "workers, each with its own connections"},
				{"rate", "as fast as answers come", nil, "transactions per second of all clients together, e.g. 500/s"},
				{"distribution", "uniform", distributions, "how lists are chosen; zipfian has few hot lists"},
			},
		},
		defaults: func(s Spec) Spec {
			if len(s.Mix) == 0 {
				s.Mix = map[string]int{"append": 50, "read": 50}
			}
			s.Keys, s.Clients = orDefault(s.Keys, 64), orDefault(s.Clients, 8)
			s.ReadFrom, s.Distribution = orDefault(s.ReadFrom, "primary"), orDefault(s.Distribution, "uniform")
			return s
		},
		build: newAppend,
	}
}

func newAppend(s Spec) (Workload, error) {
	if err := checkLoad(s, operationNames(appendOperations)); err != nil {
		return nil, err
	}
	return &appends{spec: s, keys: newKeys(s.Keys, s.Distribution), mix: newMix(s.Mix, appendOperations)}, nil
}

// appends is the workload of transactions on lists.
type appends struct {
	spec Spec
	keys *keys
	mix  mix
}

func (w *appends) Spec() Spec            { return w.spec }
func (w *appends) Kinds() []history.Kind { return []history.Kind{history.Txn} }
func (w *appends) Workers(int) int       { return w.spec.Clients }
func (w *appends) Measured(int) bool     { return true }

func (w *appends) Worker(i, _ int, seed uint64) Generator {
	return &appendGenerator{rng: stream(seed, w.spec.Name, i), keys: w.keys, mix: w.mix,
		last: firstValue(i), reads: readRoute(w.spec.ReadFrom)}
}

func (w *appends) Pacer(i, _ int) Pacer { return loadPacer(w.spec, i) }

// Finals reads every list, each in a transaction of its own.
func (w *appends) Finals(n int) []Request {
	all := finals(w.spec.Keys, n, history.Txn)
	for i := range all {
		all[i].Op.Elements = history.AppendMicro(nil, history.Micro{Key: all[i].Op.Key, Read: true})
	}
	return all
}

// appendGenerator is one worker of an append workload.
type appendGenerator struct {
	rng    *rand.PCG
	keys   *keys
	mix    mix
	last   int64 // the last element appended
	reads  Route
	micros []int64
}

func (g *appendGenerator) Next(r *Request) {
	begin(r, history.Txn, 0)
	u := g.rng.Uint64()
	r.Pick = uint32(u >> 32)
	r.Route = g.reads
	g.micros = g.micros[:0]
	for range 1 + u%mostMicros {
		m := history.Micro{Key: g.keys.pick(g.rng.Uint64()), Read: true}
		if g.mix.pick(g.rng.Uint64()) == history.Add {
			g.last++
			m.Read, m.Value = false, g.last
			r.Route = ToPrimary
		}
		g.micros = history.AppendMicro(g.micros, m)
	}
	r.Op.Elements = g.micros
}

func (g *appendGenerator) Done(*history.Op) {}
