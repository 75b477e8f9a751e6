package workloads

import (
	"fmt"
	"math/bits"
	"math/rand/v2"
	"sync/atomic"

	"github.com/aftershock-chaos/aftershock/history"
	"github.com/aftershock-chaos/aftershock/payload"
	"github.com/aftershock-chaos/aftershock/schema"
	"github.com/aftershock-chaos/aftershock/workloads/keys"
)

// The core workloads of YCSB (Cooper et al.: Benchmarking Cloud Serving Systems
// with YCSB, 2010), under their names: records of 10 fields of 100 bytes, all
// loaded before the load. A record is a register and judged as one. What differs
// from YCSB: a record is written whole, every written value is unique, hot records
// are scattered without two sharing a rank, and inserts take the place of the
// oldest inserted record when there is no room for more.

// What a mix of YCSB has besides reads and updates. A read-modify-write is a read
// and, if it was answered, a write of the same record: two operations, each judged.
const (
	insert = history.Kind(history.Kinds) + 1 + iota
	readModifyWrite
)

// mostScanned is the greatest length of a scan; all lengths from 1 on are as likely.
const mostScanned = 100

var ycsbOperations = []operation{{"read", history.Read}, {"update", history.Write}, {"insert", insert}, {"read-modify-write", readModifyWrite}, {"scan", history.Scan}}

// core is one of the core workloads.
type core struct {
	letter       string
	about        string
	mix          map[string]int
	distribution string
}

var cores = []core{
	{"a", "update heavy: half of the operations read a record, half write one", map[string]int{"read": 50, "update": 50}, keys.Zipfian},
	{"b", "read mostly: 95 of 100 operations read a record, 5 write one", map[string]int{"read": 95, "update": 5}, keys.Zipfian},
	{"c", "read only", map[string]int{"read": 100}, keys.Zipfian},
	{"d", "read latest: 95 of 100 operations read one of the newest records, 5 insert one", map[string]int{"read": 95, "insert": 5}, keys.Latest},
	{"e", "short ranges: 95 of 100 operations scan up to 100 records that follow each other, 5 insert one", map[string]int{"scan": 95, "insert": 5}, keys.Zipfian},
	{"f", "read-modify-write: half of the operations read a record, half read one and write it then", map[string]int{"read": 50, "read-modify-write": 50}, keys.Zipfian},
}

func ycsbTypes() []entry {
	var all []entry
	for _, c := range cores {
		all = append(all, entry{
			TypeInfo: TypeInfo{
				Name:   "ycsb-" + c.letter,
				About:  "YCSB's workload " + string(c.letter[0]-'a'+'A') + ", " + c.about + "; records are registers",
				Object: history.ObjectRegister,
				Keys: []schema.Key[Spec]{
					keysKey(4096, maxKeys, "number of records, which are loaded before the load begins"),
					readFromKey("which nodes are read; writes go to the primary"),
					clientsKey(8, "workers, each with its own connections"),
					rateKey("2000/s", "operations per second of all clients together"),
					keys.Key(c.distribution, "how records are chosen", func(s *Spec) *keys.Spec { return &s.Distribution }),
					payload.Key("how long the records are", "1kB", func(s *Spec) *payload.Spec { return &s.Value }),
				},
			},
			implied: Spec{Mix: c.mix, Value: payload.Spec{Size: 1000}},
			build:   newYCSB,
		})
	}
	return all
}

func newYCSB(s Spec) (Workload, error) {
	if err := checkLoad(s, operationNames(ycsbOperations)); err != nil {
		return nil, err
	}
	w := &ycsb{spec: s, keys: keys.New(s.Keys, s.Distribution), mix: newMix(s.Mix, ycsbOperations), inserted: make([]atomic.Uint32, s.Clients)}
	if w.mix.has(insert) && w.KeyBound() > maxKeys {
		return nil, fmt.Errorf("keys is %d; use %d at most, so that there is room for what is inserted", s.Keys, maxKeys-w.room()*s.Clients)
	}
	return w, nil
}

// ycsb is one of the core workloads.
type ycsb struct {
	spec     Spec
	keys     *keys.Distribution
	mix      mix
	inserted []atomic.Uint32 // by worker: how many of its places for inserts it has used
}

func (w *ycsb) Spec() Spec           { return w.spec }
func (w *ycsb) Workers(int) int      { return w.spec.Clients }
func (w *ycsb) Measured(int) bool    { return true }
func (w *ycsb) Pacer(i, _ int) Pacer { return loadPacer(w.spec, i) }
func (w *ycsb) room() int            { return max(1, onceKeys/w.spec.Clients) }

// Kinds has Write always, for the loading.
func (w *ycsb) Kinds() []history.Kind {
	if w.mix.has(history.Scan) {
		return []history.Kind{history.Read, history.Write, history.Scan}
	}
	return []history.Kind{history.Read, history.Write}
}

// KeyBound is how many records there can be.
func (w *ycsb) KeyBound() int {
	if !w.mix.has(insert) {
		return w.spec.Keys
	}
	return w.spec.Keys + w.room()*w.spec.Clients
}

func (w *ycsb) Worker(i, _ int, seed uint64) Generator {
	w.inserted[i].Store(0)
	return &ycsbGenerator{rng: stream(seed, w.spec.Name, i), keys: w.keys.Worker(i, w.spec.Clients), mix: w.mix, last: firstValue(i),
		reads: readRoute(w.spec.ReadFrom), records: uint32(w.spec.Keys), fill: uint32(i), index: uint32(i), step: uint32(w.spec.Clients),
		room: uint32(w.room()), used: &w.inserted[i]}
}

// Finals are of all loaded records, and of those that were inserted.
func (w *ycsb) Finals(n int) []Request {
	all := finals(w.spec.Keys, n, history.Read)
	for i := range w.inserted {
		for k := range w.inserted[i].Load() {
			all = append(all, final(uint32(w.spec.Keys+i)+k*uint32(w.spec.Clients), n, history.Read))
		}
	}
	return all
}

// ycsbGenerator is one worker of a core workload.
type ycsbGenerator struct {
	rng     *rand.PCG
	keys    keys.Chooser
	mix     mix
	last    int64 // value of the last write
	reads   Route
	records uint32 // that are loaded

	fill    uint32 // the next record that this worker loads
	filling bool   // the operation under way loads one

	modify   uint32 // the record of a read-modify-write that is to be written
	modifies bool

	index, step uint32
	room        uint32         // places for inserts
	used        *atomic.Uint32 // of them
	inserts     uint32
}

// Blind implements BlindWriter: inserts have keys of their own.
func (g *ycsbGenerator) Blind() int { return int(g.records) }

// Fill implements Filler. Each worker loads every so many records as there are workers.
func (g *ycsbGenerator) Fill(r *Request) bool {
	if g.fill >= g.records {
		return false
	}
	g.filling = true
	g.write(r, g.fill)
	return true
}

func (g *ycsbGenerator) write(r *Request, key uint32) {
	begin(r, history.Write, key)
	g.last++
	r.Op.Value, r.Route = g.last, ToPrimary
}

func (g *ycsbGenerator) Next(r *Request) {
	if g.modifies {
		g.modifies = false
		g.write(r, g.modify)
		return
	}
	kind := g.mix.pick(g.rng.Uint64())
	switch kind {
	case insert:
		g.write(r, g.place(g.inserts))
		g.inserts++
		g.used.Store(min(g.inserts, g.room))
	case history.Write:
		g.write(r, g.keys.Next(g.rng.Uint64(), false))
	case history.Scan:
		begin(r, history.Scan, g.chosen())
		length, _ := bits.Mul64(g.rng.Uint64(), mostScanned)
		r.Op.Old, r.Route = min(1+int64(length), int64(g.records+g.room*g.step-r.Op.Key)), g.reads
	default:
		begin(r, history.Read, g.chosen())
		r.Route = g.reads
		if kind == readModifyWrite {
			g.modify, g.modifies = r.Op.Key, true
		}
	}
	r.Pick = uint32(g.rng.Uint64() >> 32)
}

// place is the key of this worker's nth insert.
func (g *ycsbGenerator) place(n uint32) uint32 { return g.records + g.index + n%g.room*g.step }

// chosen is the key of a record to read. Of the latest, the worker takes it that
// the others have inserted as many as it has.
func (g *ycsbGenerator) chosen() uint32 {
	u := g.rng.Uint64()
	behind, latest := g.keys.Behind(u)
	if !latest {
		return g.keys.Next(u, false)
	}
	inserted := g.inserts * g.step
	if behind >= inserted {
		return g.records - 1 - (behind - inserted)
	}
	return g.records + (inserted-1-behind)%(g.room*g.step)
}

// Done makes nothing of a read-modify-write whose read was not answered, and has
// a record that was not loaded loaded again.
func (g *ycsbGenerator) Done(op *history.Op) {
	switch {
	case g.filling:
		g.filling = false
		if op.Outcome == history.OK {
			g.fill += g.step
		}
	case g.modifies && op.Outcome != history.OK:
		g.modifies = false
	}
}
