package transactions

import (
	"slices"

	"github.com/aftershock-chaos/aftershock/checkers"
	"github.com/aftershock-chaos/aftershock/checkers/kit"
	"github.com/aftershock-chaos/aftershock/history"
)

// What one transaction does to one list has an order of its own: it reads what
// was there before it and what it has appended so far, and its appends come in
// the order in which it made them, all or none. The graph has no edges from a
// transaction to itself, so what contradicts that order is found here.

// shown tells whether a list's version has an append, or another one of the
// same value.
func (l *lists) shown(s *site) bool {
	if s.twice {
		s = &l.sites[l.find(s.key, s.value)]
	}
	return s.seen
}

// placeOwn judges the place of an append in its list's version by what else its
// transaction did to the list. It is called in order of places, so that what is
// not shown yet comes later or never.
func (l *lists) placeOwn(k, place int32, s *site) {
	if s.before != kit.None && !l.shown(&l.sites[s.before]) {
		l.keys[k].askew = append(l.keys[k].askew, place)
	}
	if place < s.read && l.readsAhead(s) {
		l.anomalies = append(l.anomalies, anomaly{class: checkers.Future, txns: []int32{s.txn}, key: k, value: s.value})
	}
}

// readsAhead tells whether a transaction read an element before it appended it.
func (l *lists) readsAhead(s *site) bool {
	key := l.keys[s.key].key
	for rest := l.op(s.txn).Elements; ; {
		m, next, ok := history.NextMicro(rest)
		switch {
		case !ok || m.Key == key && !m.Read && m.Value == s.value:
			return false
		case m.Key == key && m.Read && m.Known && slices.Contains(m.List, s.value):
			return true
		}
		rest = next
	}
}

// compareOwn finds in the first n elements of a list, which transaction t read,
// those of another transaction that stand before, or without, what that one had
// appended before them. Its own are judged by what it had appended when it read.
func (l *lists) compareOwn(t, k int32, n int) {
	key := &l.keys[k]
	for _, place := range key.askew {
		if int(place) >= n {
			return
		}
		if s := &l.sites[key.sites[place]]; s.txn != t {
			l.anomalies = append(l.anomalies, anomaly{class: checkers.IncompatibleOrder, txns: []int32{s.txn, t}, key: k, value: s.value, askew: true})
			return
		}
	}
}
