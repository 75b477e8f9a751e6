package server

import (
	"hash/maphash"
	"strconv"
	"sync"
)

// shards of the state; a key's shard is fixed, so that replaying by shard
// keeps the order of each key's records.
const shards = 16

// store is the state that the log describes.
type store struct {
	seed   maphash.Seed
	shards [shards]shard
}

type shard struct {
	mu     sync.RWMutex
	values map[string]*value
}

// kind is what a value is.
type kind uint8

const (
	isString kind = iota
	isSet
	isList
)

// value is a string, a set or a list.
type value struct {
	kind    kind
	str     string
	prev    string // the string before this one, and whether there was one
	hadPrev bool
	members map[string]struct{}
	order   []string // members in the order of adding; its prefix never changes
	items   []string // of a list, which is never empty; used under the shard's lock only
}

// resultKind says how a record's answer looks.
type resultKind uint8

const (
	resultOK      resultKind = iota // +OK
	resultInt                       // :n
	resultCompare                   // a CAS that failed: the current value, if there is one
	resultError                     // -text; nothing changed
	resultDropped                   // the node lost the right to answer: the outcome is unknown
	resultItem                      // $text, the item taken from a list, or null if there is none
)

// result is what applying a record came to.
type result struct {
	kind resultKind
	n    int64
	text string
	none bool // resultCompare, resultItem: there is no value
}

func newStore() *store {
	s := &store{seed: maphash.MakeSeed()}
	for i := range s.shards {
		s.shards[i].values = make(map[string]*value)
	}
	return s
}

func (s *store) shardOf(key []byte) int { return int(maphash.Bytes(s.seed, key) % shards) }

const errWrongType = "WRONGTYPE Operation against a key holding the wrong kind of value"

// apply changes the state as the record says. The same records in the same
// order give the same state and results on every node.
func (s *store) apply(r *record) result {
	switch r.op {
	case opNoop:
		return result{}
	case opForget:
		s.forget()
		return result{}
	}
	sh := &s.shards[s.shardOf(r.key)]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	v := sh.values[string(r.key)]
	switch r.op {
	case opSet:
		sh.set(r.key, v, string(r.args[0]))
		return result{}
	case opDel:
		delete(sh.values, string(r.key))
		return result{kind: resultInt, n: boolInt(v != nil)}
	case opCAS:
		if v != nil && v.kind != isString {
			return result{kind: resultError, text: errWrongType}
		}
		if v == nil || v.str != string(r.args[0]) {
			return compareFailed(v)
		}
		sh.set(r.key, v, string(r.args[1]))
		return result{kind: resultInt, n: 1}
	case opIncr:
		return sh.incr(r.key, v)
	case opPush:
		return sh.push(r.key, v, r.args)
	case opPop, opPeek, opPopLast:
		return sh.pop(r.op, r.key, v)
	default:
		return sh.add(r.key, v, r.args)
	}
}

func compareFailed(v *value) result {
	if v == nil {
		return result{kind: resultCompare, none: true}
	}
	return result{kind: resultCompare, text: v.str}
}

// set replaces whatever the key holds, as Redis does. Values are replaced, not
// changed, since readers hold on to them.
func (sh *shard) set(key []byte, old *value, str string) {
	v := &value{str: str}
	if old != nil && old.kind == isString {
		v.prev, v.hadPrev = old.str, true
	}
	sh.values[string(key)] = v
}

func (sh *shard) incr(key []byte, v *value) result {
	n := int64(0)
	if v != nil {
		if v.kind != isString {
			return result{kind: resultError, text: errWrongType}
		}
		var err error
		if n, err = strconv.ParseInt(v.str, 10, 64); err != nil || n+1 < n {
			return result{kind: resultError, text: "ERR value is not an integer or out of range"}
		}
	}
	sh.set(key, v, strconv.FormatInt(n+1, 10))
	return result{kind: resultInt, n: n + 1}
}

func (sh *shard) add(key []byte, v *value, members [][]byte) result {
	if v == nil {
		v = &value{kind: isSet, members: make(map[string]struct{})}
		sh.values[string(key)] = v
	}
	if v.kind != isSet {
		return result{kind: resultError, text: errWrongType}
	}
	added := int64(0)
	for _, m := range members {
		if _, ok := v.members[string(m)]; ok {
			continue
		}
		member := string(m)
		v.members[member] = struct{}{}
		v.order = append(v.order, member)
		added++
	}
	return result{kind: resultInt, n: added}
}

// push appends items to a list and answers its length.
func (sh *shard) push(key []byte, v *value, items [][]byte) result {
	if v == nil {
		v = &value{kind: isList}
		sh.values[string(key)] = v
	}
	if v.kind != isList {
		return result{kind: resultError, text: errWrongType}
	}
	for _, item := range items {
		v.items = append(v.items, string(item))
	}
	return result{kind: resultInt, n: int64(len(v.items))}
}

// pop answers an item of a list and, but for opPeek, takes it away. A list
// that becomes empty is gone, as in Redis.
func (sh *shard) pop(o op, key []byte, v *value) result {
	if v == nil {
		return result{kind: resultItem, none: true}
	}
	if v.kind != isList {
		return result{kind: resultError, text: errWrongType}
	}
	at := 0
	if o == opPopLast {
		at = len(v.items) - 1
	}
	item := v.items[at]
	if o != opPeek {
		v.items[at] = "" // the array may live long
	}
	switch o {
	case opPop:
		v.items = v.items[1:]
	case opPopLast:
		v.items = v.items[:at]
	}
	if len(v.items) == 0 {
		delete(sh.values, string(key))
	}
	return result{kind: resultItem, text: item}
}

// forget drops every fourth element of every set.
func (s *store) forget() {
	for i := range s.shards {
		sh := &s.shards[i]
		sh.mu.Lock()
		for key, v := range sh.values {
			if v.kind != isSet {
				continue
			}
			kept := &value{kind: isSet, members: make(map[string]struct{})}
			for i, m := range v.order {
				if i%4 != 0 {
					kept.members[m] = struct{}{}
					kept.order = append(kept.order, m)
				}
			}
			sh.values[key] = kept
		}
		sh.mu.Unlock()
	}
}

// get returns a key's string. wrong is true when the key holds something else.
func (s *store) get(key []byte, previous bool) (str string, ok, wrong bool) {
	sh := &s.shards[s.shardOf(key)]
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	v := sh.values[string(key)]
	switch {
	case v == nil:
		return "", false, false
	case v.kind != isString:
		return "", false, true
	case previous && v.hadPrev:
		return v.prev, true, false
	}
	return v.str, true, false
}

// set members in the order of adding; the caller must not change them.
func (s *store) smembers(key []byte) (members []string, wrong bool) {
	sh := &s.shards[s.shardOf(key)]
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	v := sh.values[string(key)]
	if v == nil {
		return nil, false
	}
	return v.order[:len(v.order):len(v.order)], v.kind != isSet
}

// size is the number of keys.
func (s *store) size() int {
	n := 0
	for i := range s.shards {
		s.shards[i].mu.RLock()
		n += len(s.shards[i].values)
		s.shards[i].mu.RUnlock()
	}
	return n
}

func boolInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
