package workloads

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/schema"
	"github.com/aftershock-chaos/aftershock/workloads/keys"
)

// Micro-operations of the append workload, under the names that a mix gives them.
var appendOperations = []operation{{"append", history.Add}, {"read", history.Read}}

// Bounds of a transaction: its operations, and the lists they are on.
const maxMicros = 64

func appendType() entry {
	return entry{
		TypeInfo: TypeInfo{
			Name:   "append",
			About:  "transactions that append unique elements to lists and read lists, to find the isolation level that the target keeps",
			Object: history.ObjectList,
			Keys: []schema.Key[Spec]{
				keysKey(64, maxKeys, "number of lists; more of them stay shorter, fewer have more conflicts"),
				mixKey("{append: 50, read: 50}", appendOperations, "weights of the operations of a transaction"),
				countKey("operations", 4, maxMicros, "the most operations of a transaction; all lengths from 1 on are as likely", func(s *Spec) *int { return &s.Operations }),
				countKey("lists", maxMicros, maxMicros, "the most lists that a transaction is on; its operations choose among them", func(s *Spec) *int { return &s.Lists }),
				readsKey("percent of the transactions that only read; the others are mixed"),
				readFromKey("where transactions that only read are sent"),
				clientsKey(8, "workers, each with its own connections"),
				rateKey("500/s", "transactions per second of all clients together"),
				distributionKey("how lists are chosen; zipfian has few hot lists"),
			},
		},
		build: newAppend,
	}
}

func newAppend(s Spec) (Workload, error) {
	if err := checkLoad(s, operationNames(appendOperations)); err != nil {
		return nil, err
	}
	switch {
	case s.Operations < 1 || s.Operations > maxMicros:
		return nil, fmt.Errorf("operations is %d; use 1 to %d", s.Operations, maxMicros)
	case s.Lists < 1 || s.Lists > maxMicros:
		return nil, fmt.Errorf("lists is %d; use 1 to %d", s.Lists, maxMicros)
	case !(s.Reads >= 0 && s.Reads <= 100):
		return nil, fmt.Errorf("reads is %g%%; use 0%% to 100%%", s.Reads)
	}
	return &appends{spec: s, keys: keys.New(s.Keys, s.Distribution), mix: newMix(s.Mix, appendOperations)}, nil
}

// appends is the workload of transactions on lists.
type appends struct {
	spec Spec
	keys *keys.Distribution
	mix  mix
}

func (w *appends) Spec() Spec            { return w.spec }
func (w *appends) Kinds() []history.Kind { return []history.Kind{history.Txn} }
func (w *appends) Workers(int) int       { return w.spec.Clients }
func (w *appends) Measured(int) bool     { return true }

func (w *appends) Worker(i, _ int, seed uint64) Generator {
	return &appendGenerator{rng: stream(seed, w.spec.Name, i), keys: w.keys.Worker(i, w.spec.Clients), mix: w.mix,
		last: firstValue(i), reads: readRoute(w.spec.ReadFrom),
		most: uint64(w.spec.Operations), lists: make([]uint32, 0, min(w.spec.Lists, w.spec.Operations)), readOnly: w.spec.Reads / 100}
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
	keys   keys.Chooser
	mix    mix
	last   int64 // the last element appended
	reads  Route
	micros []int64

	most     uint64   // operations of a transaction
	lists    []uint32 // of the transaction that is made; its capacity is the most
	readOnly float64  // share of the transactions that only read
}

func (g *appendGenerator) Next(r *Request) {
	begin(r, history.Txn, 0)
	u := g.rng.Uint64()
	r.Pick = uint32(u >> 32)
	r.Route = g.reads
	g.micros, g.lists = g.micros[:0], g.lists[:0]
	readOnly := g.readOnly > 0 && float64(g.rng.Uint64()>>11)/(1<<53) < g.readOnly
	for range 1 + u%g.most {
		choice, writes := g.rng.Uint64(), false
		if !readOnly {
			writes = g.mix.pick(g.rng.Uint64()) == history.Add
		}
		m := history.Micro{Key: g.list(choice, writes), Read: true}
		if writes {
			g.last++
			m.Read, m.Value = false, g.last
			r.Route = ToPrimary
		}
		g.micros = history.AppendMicro(g.micros, m)
	}
	r.Op.Elements = g.micros
}

// list chooses the list of the next operation: of all, or, when the transaction is
// on as many as it may be, of these.
func (g *appendGenerator) list(u uint64, writes bool) uint32 {
	if len(g.lists) == cap(g.lists) {
		at, _ := bits.Mul64(u, uint64(len(g.lists)))
		return g.lists[at]
	}
	key := g.keys.Next(u, writes)
	if !slices.Contains(g.lists, key) {
		g.lists = append(g.lists, key)
	}
	return key
}

func (g *appendGenerator) Done(*history.Op) {}
