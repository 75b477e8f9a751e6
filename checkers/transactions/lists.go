package transactions

import (
	"slices"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
)

// lists is what a history of list-append transactions tells: which
// transactions took effect, and in which order the elements of each list came.
// From the longest read of a list follows the order of all its versions, for a
// list is only ever appended to (Kingsbury and Alvaro, "Elle: inferring
// isolation anomalies from experimental observations", VLDB 2020).
type lists struct {
	log   *history.Log
	index *kit.KeyIndex
	txns  []txn
	keys  []list
	sites []site
	slots []int32 // open addressing: index of a site + 1
	reads []listRead
	torn  bool

	anomalies []anomaly // besides cycles
	answers   int       // reads of lists, answered
	malformed int       // transactions that could not be read
	ambiguous int       // elements read that were appended more than once
}

// txn is one transaction.
type txn struct {
	op        int32 // index into log.Ops
	committed bool  // it is known to have taken effect
	node      int32 // in the graph; none
}

// list is one key.
type list struct {
	key     uint32
	version []int64 // the longest list read
	longest int32   // the transaction that read it
	sites   []int32 // by place in version: where it was appended; none: nowhere
	unseen  []int32 // transactions that took effect and appended to the list what nobody read
	askew   []int32 // places in version of elements that their own transactions' order does not allow there
}

// site is one append.
type site struct {
	value  int64
	key    int32
	txn    int32
	before int32 // the site of the transaction's append to the list before this one, none
	read   int32 // length of the longest read of the list by the transaction before this append
	last   bool  // the transaction's last append to the list
	seen   bool  // in the list's version; of those with one value the first tells
	twice  bool  // the same value was appended to the list more than once
}

// listRead is the first read of a list by an acknowledged transaction that had
// not appended to it.
type listRead struct {
	txn, key int32
	n        int32 // length
	appends  bool  // the transaction appends to the list afterwards
}

// anomaly is a violation that a few transactions show.
type anomaly struct {
	class checkers.Class
	txns  []int32
	key   int32
	value int64
	askew bool  // an order that the first transaction's own appends contradict
	steps []hop // of a cycle
}

// newLists reads the transactions of one workload.
func newLists(log *history.Log, workload uint8) *lists {
	l := &lists{log: log, index: kit.NewKeyIndex(), torn: log.Torn}
	for i := range log.Ops {
		if op := &log.Ops[i]; op.Workload == workload && op.Kind == history.Txn && !op.Final() {
			l.txns = append(l.txns, txn{op: int32(i), committed: op.Outcome == history.OK, node: kit.None})
		}
	}
	const sample = 1000
	for t := range l.txns {
		if t == sample { // these tell about how many appends and reads there will be
			more, most := len(l.txns)/sample-1, 4*len(l.txns)
			l.sites, l.reads = slices.Grow(l.sites, min(more*len(l.sites), most)), slices.Grow(l.reads, min(more*len(l.reads), most))
		}
		l.read(int32(t))
	}
	l.order()
	return l
}

func (l *lists) op(t int32) *history.Op { return &l.log.Ops[l.txns[t].op] }

func (l *lists) list(key uint32) int32 {
	at := l.index.Of(0, key)
	if *at == 0 {
		l.keys = append(l.keys, list{key: key, longest: kit.None})
		*at = int32(len(l.keys))
	}
	return *at - 1
}

// local is what a transaction knows of one list on its way.
type local struct {
	key      int32
	based    bool    // it has read the list
	base     []int64 // as it last read it
	appended []int32 // sites, since then
	lastSite int32   // none: it has not appended
	longest  int32   // length of the longest of its reads
	read     int32   // index of its listRead, none
}

// Read takes a transaction's appends and reads in, and checks that its own
// reads agree with what it did before (internal consistency).
func (l *lists) read(t int32) {
	op := l.op(t)
	var room [8]local
	known := room[:0]
	rest := op.Elements
	for len(rest) > 0 {
		m, next, ok := history.NextMicro(rest)
		if !ok {
			l.malformed++
			return
		}
		rest = next
		key := l.list(m.Key)
		at := slices.IndexFunc(known, func(k local) bool { return k.key == key })
		if at < 0 {
			at = len(known)
			known = append(known, local{key: key, lastSite: kit.None, read: kit.None})
		}
		k := &known[at]
		switch {
		case !m.Read:
			l.append(t, k, m.Value)
		case m.Known && op.Outcome == history.OK:
			l.answers++
			l.readList(t, k, m.List)
		}
	}
}

func (l *lists) append(t int32, k *local, value int64) {
	if k.lastSite != kit.None {
		l.sites[k.lastSite].last = false
	}
	if k.read != kit.None {
		l.reads[k.read].appends = true
	}
	before := k.lastSite
	k.lastSite = int32(len(l.sites))
	k.appended = append(k.appended, k.lastSite)
	l.sites = append(l.sites, site{value: value, key: k.key, txn: t, before: before, read: k.longest, last: true})
}

func (l *lists) readList(t int32, k *local, found []int64) {
	own := len(k.appended)
	consistent := len(found) >= own
	for i := 0; consistent && i < own; i++ {
		consistent = found[len(found)-own+i] == l.sites[k.appended[i]].value
	}
	if k.based {
		consistent = consistent && slices.Equal(found[:len(found)-own], k.base)
	}
	if !consistent {
		l.anomalies = append(l.anomalies, anomaly{class: checkers.InternalRead, txns: []int32{t}, key: k.key})
	}
	if !k.based && k.lastSite == kit.None {
		k.read = int32(len(l.reads))
		l.reads = append(l.reads, listRead{txn: t, key: k.key, n: int32(len(found))})
	}
	k.based, k.base, k.appended, k.longest = true, found, k.appended[:0], max(k.longest, int32(len(found)))
	// Of two of one length it is the lesser, so that who came first, which may not be known,
	// does not decide what the rest is held to.
	key := &l.keys[k.key]
	if key.longest == kit.None || len(found) > len(key.version) || len(found) == len(key.version) && slices.Compare(found, key.version) < 0 {
		key.version, key.longest = found, t
	}
}

// order finds where each element of each version was appended, and with that
// which transactions of unknown outcome took effect.
func (l *lists) order() {
	l.indexSites()
	for k := range l.keys {
		l.orderOne(int32(k))
	}
	for i := range l.sites {
		s := &l.sites[i]
		if !l.txns[s.txn].committed || l.shown(s) {
			continue
		}
		key := &l.keys[s.key]
		if n := len(key.unseen); n == 0 || key.unseen[n-1] != s.txn {
			key.unseen = append(key.unseen, s.txn)
		}
	}
	l.compare()
}

func (l *lists) orderOne(k int32) {
	key := &l.keys[k]
	key.sites = make([]int32, len(key.version))
	aborted := kit.None
	for i, v := range key.version {
		at := l.find(k, v)
		key.sites[i] = at
		if at == kit.None {
			if !l.torn {
				l.anomalies = append(l.anomalies, anomaly{class: checkers.PhantomElement, txns: []int32{key.longest}, key: k, value: v})
			}
			continue
		}
		s := &l.sites[at]
		if s.twice { // it does not tell who wrote it
			s.seen = true
			key.sites[i] = kit.None
			l.ambiguous++
			continue
		}
		if s.seen {
			l.anomalies = append(l.anomalies, anomaly{class: checkers.Duplicate, txns: []int32{s.txn, key.longest}, key: k, value: v})
			key.sites[i] = kit.None
			continue
		}
		s.seen = true
		switch l.op(s.txn).Outcome {
		case history.Fail:
			l.anomalies = append(l.anomalies, anomaly{class: checkers.G1a, txns: []int32{s.txn, key.longest}, key: k, value: v})
			aborted = at
			key.sites[i] = kit.None
		default:
			l.txns[s.txn].committed = true
			l.placeOwn(k, int32(i), s)
			if aborted != kit.None {
				l.anomalies = append(l.anomalies, anomaly{class: checkers.DirtyUpdate, txns: []int32{l.sites[aborted].txn, s.txn, key.longest}, key: k, value: v})
				aborted = kit.None
			}
		}
	}
}

// Compare checks every read against its list's version: each must be a prefix
// of it. Reads that are not give no edges.
func (l *lists) compare() {
	for t := range l.txns {
		op := l.op(int32(t))
		if op.Outcome != history.OK {
			continue
		}
		for rest := op.Elements; len(rest) > 0; {
			m, next, ok := history.NextMicro(rest)
			if !ok {
				break
			}
			rest = next
			if m.Read && m.Known {
				l.compareRead(int32(t), l.list(m.Key), m.List)
			}
		}
	}
	l.reads = slices.DeleteFunc(l.reads, func(r listRead) bool { return r.n < 0 })
}

func (l *lists) compareRead(t, k int32, found []int64) {
	key := &l.keys[k]
	if !slices.Equal(found, key.version[:min(len(found), len(key.version))]) {
		l.anomalies = append(l.anomalies, anomaly{class: checkers.IncompatibleOrder, txns: []int32{t, key.longest}, key: k})
		l.voidReads(t, k)
		return
	}
	l.compareOwn(t, k, len(found))
	if n := len(found); n > 0 {
		if at := key.sites[n-1]; at != kit.None && !l.sites[at].last && l.sites[at].txn != t {
			l.anomalies = append(l.anomalies, anomaly{class: checkers.G1b, txns: []int32{l.sites[at].txn, t}, key: k, value: found[n-1]})
		}
	}
}

// voidReads takes a transaction's reads of a list out of those that give edges.
func (l *lists) voidReads(t, k int32) {
	at, _ := slices.BinarySearchFunc(l.reads, t, func(r listRead, t int32) int { return int(r.txn) - int(t) })
	for ; at < len(l.reads) && l.reads[at].txn == t; at++ {
		if l.reads[at].key == k {
			l.reads[at].n = -1
		}
	}
}

// indexSites makes the table by which find works.
func (l *lists) indexSites() {
	size := 16
	for size < 2*len(l.sites) {
		size *= 2
	}
	l.slots = make([]int32, size)
	for i := range l.sites {
		s := &l.sites[i]
		at := l.slot(s.key, s.value)
		for ; l.slots[at] != 0; at = (at + 1) & (size - 1) {
			other := &l.sites[l.slots[at]-1]
			if other.key == s.key && other.value == s.value {
				other.twice, s.twice = true, true
				break
			}
		}
		if !s.twice {
			l.slots[at] = int32(i) + 1
		}
	}
}

func (l *lists) slot(key int32, value int64) int {
	h := (uint64(value) + uint64(key)*0xd6e8feb86659fd93) * 0x9e3779b97f4a7c15
	return int(h>>20) & (len(l.slots) - 1)
}

// Find is the append of a value to a list, none if there is none.
func (l *lists) find(key int32, value int64) int32 {
	for at := l.slot(key, value); l.slots[at] != 0; at = (at + 1) & (len(l.slots) - 1) {
		if s := &l.sites[l.slots[at]-1]; s.key == key && s.value == value {
			return l.slots[at] - 1
		}
	}
	return kit.None
}
