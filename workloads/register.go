package workloads

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/schema"
	"github.com/aftershock-chaos/aftershock/workloads/keys"
)

// once is what a mix calls a write to a key that nobody else writes: a Write.
const once = history.Kind(history.Kinds)

var registerOperations = []operation{{"read", history.Read}, {"write", history.Write}, {"cas", history.CAS}, {"once", once}}

// onceKeys bounds the keys of all workers that are written once, as each is read
// in the end on every node.
const onceKeys = 8192

func registerType() entry {
	return entry{
		TypeInfo: TypeInfo{
			Name:   "register",
			About:  "reads, writes and compare-and-sets registers, some written once; every written value is unique",
			Object: history.ObjectRegister,
			Keys: []schema.Key[Spec]{
				keysKey(4096, maxKeys, "number of registers that are written again and again; of few a write can be lost unseen"),
				mixKey("{read: 50, write: 45, once: 5}", registerOperations, "weights of the operations; once writes a register that nobody writes again"),
				readFromKey("which nodes are read; writes go to the primary"),
				clientsKey(8, "workers, each with its own connections"),
				rateKey("2000/s", "operations per second of all clients together"),
				distributionKey("how keys are chosen; zipfian has few hot keys"),
				valueKey("how long the values are"),
			},
		},
		build: newRegister,
	}
}

func newRegister(s Spec) (Workload, error) {
	if err := checkLoad(s, operationNames(registerOperations)); err != nil {
		return nil, err
	}
	w := &register{spec: s, keys: keys.New(s.Keys, s.Distribution), mix: newMix(s.Mix, registerOperations), used: make([]atomic.Uint32, s.Clients), wrote: make([][]uint64, s.Clients)}
	if w.mix.has(history.CAS) && s.Keys*s.Clients > maxKnown {
		return nil, fmt.Errorf("cas on %d keys by %d clients would remember %d values; at most %d: use fewer keys or clients",
			s.Keys, s.Clients, s.Keys*s.Clients, maxKnown)
	}
	return w, nil
}

// register is the workload of independent registers.
type register struct {
	spec Spec
	keys *keys.Distribution
	mix  mix
	used []atomic.Uint32 // by worker: how many keys it has written once

	wrote [][]uint64 // by worker: a bit for each of the other keys that it wrote
}

func (w *register) Spec() Spec { return w.spec }

// Kinds has Read always, for the final reads, and Write whenever there is a
// CAS, which needs a first value.
func (w *register) Kinds() []history.Kind {
	kinds := []history.Kind{history.Read}
	cas := w.mix.has(history.CAS)
	if cas || w.mix.has(history.Write) || w.mix.has(once) {
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
	g := &registerGenerator{rng: stream(seed, w.spec.Name, i), keys: w.keys.Worker(i, w.spec.Clients), mix: w.mix,
		last: firstValue(i), reads: readRoute(w.spec.ReadFrom), blind: w.spec.Keys, apart: w.spec.apart(), index: uint32(i),
		own: ownKeys{first: uint32(w.spec.Keys + i), step: uint32(w.spec.Clients), room: uint32(max(1, onceKeys/w.spec.Clients)), used: &w.used[i]}}
	g.own.used.Store(0)
	if w.remembers() {
		w.wrote[i] = make([]uint64, (w.spec.Keys+63)/64)
		g.wrote = w.wrote[i]
	}
	if w.mix.has(history.CAS) {
		g.known = make([]int64, w.spec.Keys)
	}
	return g
}

func (w *register) Pacer(i, _ int) Pacer { return loadPacer(w.spec, i) }

// remembers tells whether the workers remember what they wrote: 32 MiB at most.
func (w *register) remembers() bool { return w.spec.Keys*w.spec.Clients <= 1<<28 }

// written tells whether some worker wrote a key, as far as they remember.
func (w *register) written(key uint32) bool {
	known := false
	for _, bits := range w.wrote {
		if bits != nil && bits[key/64]&(1<<(key%64)) != 0 {
			return true
		}
		known = known || bits != nil
	}
	return !known
}

// Finals are of the keys that the workers wrote, those too that they wrote once.
func (w *register) Finals(n int) []Request {
	all := slices.DeleteFunc(finals(w.spec.Keys, n, history.Read), func(r Request) bool { return !w.written(r.Op.Key) })
	for i := range w.used {
		for k := range w.used[i].Load() {
			all = append(all, final(uint32(w.spec.Keys+i)+k*uint32(w.spec.Clients), n, history.Read))
		}
	}
	return all
}

// KeyBound is how many keys the workload may use.
func (w *register) KeyBound() int {
	if !w.mix.has(once) {
		return w.spec.Keys
	}
	return w.spec.Keys + max(1, onceKeys/w.spec.Clients)*w.spec.Clients
}

// finals reads every key of node n once.
func finals(keys, n int, kind history.Kind) []Request {
	all := make([]Request, keys)
	for k := range all {
		all[k] = final(uint32(k), n, kind)
	}
	return all
}

func final(key uint32, n int, kind history.Kind) Request {
	return Request{Op: history.Op{Kind: kind, Key: key, Flags: history.FinalRead}, Route: ToNode, Pick: uint32(n)}
}

// unknownValue in registerGenerator.known: the worker has no idea. Written
// values are above 0 and an unwritten key is history.Nil, so 0 is free.
const unknownValue = 0

// registerGenerator is one worker of a register workload.
type registerGenerator struct {
	rng   *rand.PCG
	keys  keys.Chooser
	mix   mix
	last  int64 // value of the last write
	reads Route
	known []int64 // by key, the value last known; nil without CAS
	wrote []uint64
	blind int // keys that are written without a look at what they hold
	own   ownKeys

	apart bool // of every so many keys as there are workers it blindly writes one
	index uint32
}

// apart tells whether each worker blindly writes keys of its own. Of two writes at
// once nobody can say which came upon the other, and then a failover leaves it open
// whether one was lost. Of few keys the writes are to meet; of many they hardly would.
func (s *Spec) apart() bool {
	return s.Distribution.Name == keys.Uniform && s.Keys >= keysApart*s.Clients
}

const keysApart = 32

// ownKeys are the keys that one worker writes once.
type ownKeys struct {
	first, step uint32
	room        uint32
	used        *atomic.Uint32
	writes      uint32 // that were to go to one of them
}

// next is the key for a write that is to go to one of them; it is false if the
// write has to go elsewhere. A part of the room, half of what is left, is used up
// before the share of the writes that get one is halved, so that some are left
// however long the run is.
func (o *ownKeys) next() (key uint32, ok bool) {
	used := o.used.Load()
	left, every := o.room, uint32(1)
	for passed := uint32(0); left > 1 && used >= passed+left/2; every *= 2 {
		passed += left / 2
		left -= left / 2
	}
	if o.writes++; used >= o.room || o.writes%every != 0 {
		return 0, false
	}
	o.used.Store(used + 1)
	return o.first + used*o.step, true
}

// Blind implements BlindWriter.
func (g *registerGenerator) Blind() int { return g.blind }

// Next chooses the operation by the mix and the key by the distribution. A CAS
// expects the value that the worker last knew; where it knows none it becomes
// a read, and on a key known to be unwritten a write.
func (g *registerGenerator) Next(r *Request) {
	kind := g.mix.pick(g.rng.Uint64())
	key := g.keys.Next(g.rng.Uint64(), kind != history.Read)
	if kind == once {
		kind = history.Write
		if own, ok := g.own.next(); ok {
			key = own
		}
	}
	begin(r, kind, key)
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
	if r.Op.Kind == history.Write && g.apart && int(key) < g.blind {
		r.Op.Key = g.mine(key)
	}
	pick := uint32(g.rng.Uint64() >> 32)
	if r.Op.Kind == history.Read {
		r.Route, r.Pick = g.reads, pick
		return
	}
	g.last++
	r.Op.Value = g.last
	if key := r.Op.Key; int(key) < 64*len(g.wrote) {
		g.wrote[key/64] |= 1 << (key % 64)
	}
	r.Route, r.Pick = ToPrimary, pick
}

// mine is the worker's own key near another.
func (g *registerGenerator) mine(key uint32) uint32 {
	own := key - key%g.own.step + g.index
	if int(own) >= g.blind {
		own -= g.own.step
	}
	return own
}

// begin clears r for a new operation. The memory of Elements is kept for the
// next answer: who records an operation copies them.
func begin(r *Request, kind history.Kind, key uint32) {
	elements := r.Op.Elements[:0]
	*r = Request{}
	r.Op.Elements, r.Op.Kind, r.Op.Key = elements, kind, key
}

// knowable is a value that a CAS can expect: nobody can write a torn one.
func knowable(v int64) int64 {
	if v == history.Torn {
		return unknownValue
	}
	return v
}

// Done remembers for later CAS what op tells of its key's value.
func (g *registerGenerator) Done(op *history.Op) {
	if int(op.Key) >= len(g.known) {
		return
	}
	known := &g.known[op.Key]
	switch {
	case op.Outcome == history.OK && (op.Kind == history.Read || op.Kind == history.Write || op.Kind == history.CAS):
		*known = knowable(op.Value)
	case op.Kind == history.Read:
	case op.Outcome == history.Unknown:
		*known = unknownValue
	case op.Flags&history.Seen != 0:
		*known = knowable(op.Observed)
	case op.Error == history.ErrCompare:
		*known = unknownValue
	}
}
